"""Tests of what Grafana is told."""
