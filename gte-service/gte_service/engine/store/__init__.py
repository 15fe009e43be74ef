"""The files of a model: where they come from, whether they are complete, and the one file that all workers map."""
