"""Errors of the embedded nats-server, and of files with credentials."""


class ServerFailed(Exception):
    """nats-server did not start; the text ends with the last line of its log."""


class StoreBusy(Exception):
    """Another process uses this store; two servers on one store would corrupt it."""


class UnusableFile(OSError):
    """A file with credentials or certificates holds something else; the text is a text's name."""
