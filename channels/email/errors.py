"""Errors inside the e-mail channel; callers of the channel get outcomes or a ChannelError.

UnsafeHeader     a value could add a header, recipient or command
DnsUnanswered    the DNS gave no usable answer
CommandRefused   our SMTP server refuses a command
LineTooLong      a client of our SMTP server sent a line over its limit
"""


class UnsafeHeader(ValueError):
    """A value that could add a header, recipient or command; names the field, not the value."""


class DnsUnanswered(Exception):
    """No usable answer about *name*."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class CommandRefused(Exception):
    """Negative reply to a command; the message is the reply."""


class LineTooLong(Exception):
    """A line over its limit."""
