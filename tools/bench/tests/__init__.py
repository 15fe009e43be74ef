"""Tests of the comparison: on the host, with the standard library and pytest; no container is started."""
