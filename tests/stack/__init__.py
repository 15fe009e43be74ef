"""The whole stack, from `make demo` to `make clean`: what a user sees, and what happens when a part breaks."""
