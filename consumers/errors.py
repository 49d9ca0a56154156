"""Errors of the process itself: its key file, and its connection to the bus."""


class KeyFileBroken(Exception):
    """The key file is damaged; an operator has to restore it."""


class BrokerClosed(Exception):
    """The server refused the consumers' connection for good; only a restart helps."""
