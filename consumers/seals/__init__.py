"""Seals of what leads to a delivery, so that a writer on the bus without the key has no effect."""
