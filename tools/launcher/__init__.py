"""Starts, checks and removes the stack on the user's host: the commands behind `make up` and its siblings.

Images, ports and settings of the services are read from compose.yaml through `docker compose config`; nothing of them
is repeated here. Other tools use `open_run`, `Compose`, `prepare_images` and `read_settings`.
"""
