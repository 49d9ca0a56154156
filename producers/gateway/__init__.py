"""The HTTP gateway: CloudEvents in, problem documents out.

An ASGI app that is given its bus, vocabulary and clock. May import contracts, producers.bus,
and producers' modules for entry points (units.registry, acceptance, texts, token_buckets).
"""

from producers.gateway.app import add_docs_page, create_gateway

__all__ = ["add_docs_page", "create_gateway"]
