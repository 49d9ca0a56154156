"""The HTTP server of a process, its protocol and its health endpoints."""
