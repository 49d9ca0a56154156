"""Zalo's webhook: verify, parse and store the event, then acknowledge. May import client."""
