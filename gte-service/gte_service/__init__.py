"""GTE text embeddings over HTTP, measured per task.

Its folders import in one direction: `api` (HTTP) → `tasks` (what a task does with text) → `engine` (tokens in, vectors
out). `serving` has the processes and their state; its `wsgi.py` builds the app with the worker's model, and of
`serving` the API imports the types in `status.py` only.
"""
