"""The server's processes: their slots, starts, heartbeats, backlog and figures."""
