"""Errors of a channel; results of single rows are outcomes instead.

ChannelError
  Unreachable      the provider can't be reached now; nothing was sent; try again later
  Busy             as many connections are in use as there may be; nothing was sent
  Misconfigured    an operator has to act; nothing was sent; the channel holds
"""


class ChannelError(Exception):
    """A channel can't work now. `reason` is safe to log: no address, token or message text."""

    def __init__(self, reason: str, *, retry_after_s: float = 30.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class Unreachable(ChannelError):
    """The provider can't be reached now; nothing was sent."""


class Busy(ChannelError):
    """All connections are in use; nothing was sent, and nothing is wrong."""


class Misconfigured(ChannelError):
    """An operator has to act (credentials, certificates, a missing grant); nothing was sent."""


class UnusableImage(Exception):
    """Nothing can be made of the picture. `reason` is safe to log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
