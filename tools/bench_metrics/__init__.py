"""Measures what the metrics cost: recording a request, answering a scrape, and ten thousand restarts of workers.

It knows the service's packages and stands beside them; nothing of it is in the service's image.
"""
