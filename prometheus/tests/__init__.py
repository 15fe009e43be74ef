"""Tests of what Prometheus is told, run by the very images that compose.yaml names."""
