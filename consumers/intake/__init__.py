"""Intake: content events become positions of items, approved at the desk and released.

May import contracts, producers.bus and consumers.runtime."""
