"""Reads of each replica of a stream by itself."""
