"""Registered units: API keys, permissions and the feeds that are imported for them.

May import contracts, producers.bus and producers.texts."""
