"""Calls to Zalo's hosts: HTTP, tokens, rate limits and error codes.

Imports only contracts, channels.base and channels.errors.
"""
