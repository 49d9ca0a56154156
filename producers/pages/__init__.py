"""The readers' pages: subscribe, confirm, choose, leave; in Vietnamese, without JavaScript.

An ASGI app that is handed what it may ask of the readers' office. May import: contracts,
producers.bus (for its errors), and the counters of the HTTP door. It knows no other room.
"""

from producers.pages.app import create_pages

__all__ = ["create_pages"]
