"""Planned interruptions of services, as items announce them."""
