"""The processes of the container and their state: the supervisor and what it starts, and each worker's model."""
