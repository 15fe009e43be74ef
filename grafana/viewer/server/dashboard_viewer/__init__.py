"""Serves the dashboard viewer: its page, the dashboard files, and the queries that Prometheus answers."""
