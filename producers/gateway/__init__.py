"""The HTTP gateway: CloudEvents in, problem documents out.

An ASGI app that is given its bus, vocabulary and clock. May import contracts, producers.bus,
and producers' modules for entry points (units.registry, acceptance, texts, token_buckets).
"""

from producers.gateway.app import create_gateway

__all__ = ["create_gateway"]
