"""Metrics of a text service, exact over several gunicorn workers.

Knows nothing of models or tasks: task types come in as words, so any Flask app can use it.
"""
