"""Lists and search of the desk's items: an SQLite copy of the editorial log.

May import contracts, channels.portal.search, producers.bus, consumers.editorial and
consumers.directory."""

from consumers.desk.index.index import ItemIndex

__all__ = ["INDEX_FILE", "ItemIndex"]

INDEX_FILE = "index.sqlite"
"""The file in the desk's folder."""
