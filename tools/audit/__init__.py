"""Asks public databases about known vulnerabilities of what is locked, and lists what is in our images."""
