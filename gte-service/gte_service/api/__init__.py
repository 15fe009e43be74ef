"""HTTP in and out: the routes, the shape of answers and errors, the log of requests."""
