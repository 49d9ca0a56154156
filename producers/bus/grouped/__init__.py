"""Reads and writes of one bucket that many callers share."""
