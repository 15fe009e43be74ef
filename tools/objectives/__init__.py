"""The objectives of each task, as data, and the rules that Prometheus evaluates for them."""
