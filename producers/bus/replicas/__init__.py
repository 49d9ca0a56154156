"""Replicas of streams: the servers that they are on, and reads of each by itself."""
