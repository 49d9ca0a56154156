"""Calls to Zalo's hosts: HTTP, tokens, rate limits and error codes.

May import only contracts, channels.base and channels.errors.
"""
