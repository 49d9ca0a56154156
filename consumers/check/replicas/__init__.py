"""Checks of each replica of a cluster by itself."""
