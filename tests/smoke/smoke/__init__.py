"""Checks every endpoint of every service of the running stack, from inside its network."""
