"""GTE text embeddings over HTTP, measured per task.

Rooms and their one-way doors: `api` (HTTP) → `tasks` (what a task does with text) → `engine` (tokens in, vectors out).
`monitoring` stands beside them and knows nothing of them. `server` starts the processes of the container.
"""
