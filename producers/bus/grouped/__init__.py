"""Reads of one bucket that many callers share."""
