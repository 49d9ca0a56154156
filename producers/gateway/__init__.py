"""The HTTP door: CloudEvents in, problem documents out.

An ASGI app that is handed its bus, vocabulary and clock. May import: contracts, producers.bus, and
what producers does for a door (registry, acceptance). It knows no other room.
"""

from producers.gateway.app import create_gateway

__all__ = ["create_gateway"]
