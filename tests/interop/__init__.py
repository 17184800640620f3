"""Real clients, unmodified, against the running server."""
