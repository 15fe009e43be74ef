"""GTE text embeddings over HTTP, measured per task.

Its folders import in one direction: `serving` (processes and their state) → `api` (HTTP) → `tasks` (what a task does
with text) → `engine` (tokens in, vectors out). `api` also knows the types of `serving/status.py`.
"""
