"""The desk: web pages of staff; Vietnamese, no JavaScript, on a port of its own.

An ASGI app that is given its services. May import contracts, producers.bus and producers.pages,
whose forms and styles it shares.
"""

from producers.desk.app import create_desk
from producers.desk.services import DeskServices

__all__ = ["DeskServices", "create_desk"]
