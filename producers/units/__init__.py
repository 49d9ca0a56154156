"""Registered units: API keys, permissions, and the settings of imported feeds.

May import contracts, producers.bus and producers.texts.
"""
