"""Measures what the metrics cost: recording a request, answering a scrape, and restarts of workers."""
