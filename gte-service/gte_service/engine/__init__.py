"""Tokens in, vectors out: the files of the model, the forward pass, and what it takes to start them.

Nothing here knows of HTTP, of tasks or of metrics.
"""
