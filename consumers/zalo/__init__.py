"""Zalo around the channel: webhook events, followers, erasure, replies and cover pictures."""
