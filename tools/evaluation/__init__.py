"""Measures what the eight tasks of a running service get right, on labelled sets of its own. Only Python's library."""
