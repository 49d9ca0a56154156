"""Registered units: API keys, permissions, and the settings of imported feeds.

May import contracts, producers.bus, producers.bus_access and producers.texts.
"""
