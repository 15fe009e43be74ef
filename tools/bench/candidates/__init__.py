"""The programs that run inside the candidates' containers: engines behind an HTTP server, and what reads and asks."""
