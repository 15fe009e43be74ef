"""Loads gte-service with wrk and proves that Prometheus shows the same figures."""
