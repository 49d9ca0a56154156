"""Errors of the process itself: its key file, and its connection to the bus."""

from pathlib import Path


class KeyFileBroken(Exception):
    """The key file at `path` is damaged; an operator has to restore it."""

    def __init__(self, text: str, path: Path | None = None) -> None:
        super().__init__(text)
        self.path = path


class BrokerClosed(Exception):
    """The server refused the consumers' connection for good; only a restart helps."""
