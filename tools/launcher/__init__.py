"""Starts, checks and clears away the stack on the user's host: what stands behind the Makefile.

Only the standard library, Python 3.9 or newer. Everything about the services (images, ports, settings) is read from
compose.yaml through `docker compose config`; nothing of it is written here a second time.
"""
