"""What each task does with text. One file a task; `registry` finds them by the name clients use."""
