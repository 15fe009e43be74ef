"""Measures this service beside its rivals, in turns, on the same weights and texts: `python3 -m tools.bench --help`."""
