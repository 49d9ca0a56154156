"""Errors of the process itself: its key file, its settings, and its connection to the bus."""

from pathlib import Path

from contracts.errors import Invalid


class KeyFileBroken(Exception):
    """The key file at `path` is damaged; an operator has to restore it."""

    def __init__(self, text: str, path: Path | None = None) -> None:
        super().__init__(text)
        self.path = path


class WrongSettings(Invalid):
    """Wrong variables of one settings class; others may be wrong, too."""


class ListenRefused(Invalid):
    """An address that this machine does not give now: a port is taken, or a host is not up."""


class StoppedEarly(Exception):
    """The process is to stop, and the bus has not answered its start yet."""


class BrokerClosed(Exception):
    """The server refused the consumers' connection for good; only a restart helps."""
