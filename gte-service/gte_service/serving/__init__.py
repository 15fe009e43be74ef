"""The processes of the container: the supervisor and what it starts."""
