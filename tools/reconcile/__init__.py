"""Proves that the access log of gte-service and the counters in Prometheus say the same."""
