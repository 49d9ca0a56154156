"""What the bus may answer instead of doing what it was asked.

BusError
├── Conflict   somebody else was first: definitely nothing was stored
├── Full       a stream, or the disk, takes no more: definitely nothing was stored
├── Silence    no answer: it may be stored, not stored, or stored later
└── Unfit      this server can't keep Loa's promises
"""


class BusError(Exception):
    """The server refused; nothing was stored. `err_code` is JetStream's own number."""

    def __init__(self, text: str, err_code: int | None = None) -> None:
        super().__init__(text)
        self.err_code = err_code


class RevisionConflict(BusError):
    """A compare-and-set lost. `revision` is what stands there now, where the server said so."""

    def __init__(self, text: str, err_code: int | None = None, revision: int | None = None) -> None:
        super().__init__(text, err_code)
        self.revision = revision


class StorageFull(BusError):
    """No room: the stream's limit or the server's disk is reached."""


class NoReply(BusError):
    """No answer came: repeat what a repeat can't harm, then read back."""


class UnfitServer(BusError):
    """The server is too old, or acknowledges before the disk has it."""


class InvalidKey(ValueError):
    """Nothing can be stored under such a name."""
