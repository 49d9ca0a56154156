"""Care for the servers of a cluster: each replica read by itself, and when to leave a server."""
