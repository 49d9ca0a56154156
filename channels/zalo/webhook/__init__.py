"""Zalo's webhook: verify the signature, parse the event, store it, then acknowledge.

May import client.
"""
