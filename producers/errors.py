"""Errors of the embedded nats-server."""


class ServerFailed(Exception):
    """nats-server did not start; the text ends with the last line of its log."""


class StoreBusy(Exception):
    """Another process uses this store; two servers on one store would corrupt it."""
