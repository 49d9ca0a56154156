"""Subscriber pages: sign-up, confirmation, preferences, unsubscribing; Vietnamese, no JavaScript.

An ASGI app that is given its services. May import contracts, producers.bus, producers.texts
and producers.token_buckets.
"""

from producers.pages.app import create_pages

__all__ = ["create_pages"]
