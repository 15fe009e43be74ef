"""What is compared by its engine alone: one module each, run in a container, asked over a pipe (see turns.py)."""
