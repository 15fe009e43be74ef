"""What a worker writes: the metrics of requests, in files of its slot."""
