"""Says for each task which P95 would be unusual, from its own history in Prometheus, and why."""
