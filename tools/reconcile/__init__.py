"""Checks that the access log of gte-service and the counters in Prometheus agree."""
