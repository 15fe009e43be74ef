"""What each task does with text: one file in `types/` for each task; `registry` finds them by name."""
