"""Errors of the bus.

BusError
├── RevisionConflict  another writer was first: nothing was stored
├── StorageFull       a stream or the disk is full: nothing was stored
├── NoReply           no answer: stored, not stored, or stored later
│   ├── NoLeader      no server leads the stream: nothing was stored
│   ├── NotConnected  no server at the address
│   │   └── UnknownHost   no machine has its name
│   └── Denied        the server let nothing through: the key has no right to the subject
├── DamagedObject     an uploaded file is not what its name says
├── UnfitServer       the server cannot keep Loa's guarantees
│   ├── ForeignSettings   a stream has settings that lose or leak messages
│   └── TooFewServers     a stream can't have as many replicas as are wanted
└── AccessRefused     the server refuses the credentials, or its certificate is not trusted
    └── UntrustedServer

InvalidKey is a ValueError of the caller.
"""

from collections.abc import Sequence


class BusError(Exception):
    """The server refused; nothing was stored. `err_code` is JetStream's own number."""

    def __init__(self, text: str, err_code: int | None = None) -> None:
        super().__init__(text)
        self.err_code = err_code


class RevisionConflict(BusError):
    """A compare-and-set lost. `revision` is the present one, if the server reported it."""

    def __init__(self, text: str, err_code: int | None = None, revision: int | None = None) -> None:
        super().__init__(text, err_code)
        self.revision = revision


class StorageFull(BusError):
    """The stream's limit or the server's disk is reached."""


class NoReply(BusError):
    """No answer: repeat only harmless requests, then read back."""


class NoLeader(NoReply):
    """No server took the request, so nothing was stored: a cluster elects a leader for seconds."""


class NotConnected(NoReply):
    """No server at *address*, which holds no password. *why*: what the last try met, if known."""

    def __init__(self, text: str, address: str, why: str = "") -> None:
        super().__init__(text)
        self.address, self.why = address, why


class UnknownHost(NotConnected):
    """DNS knows no machine of the name in *address*."""


class Denied(NoReply):
    """The key has no right to *subject*; it gets one when the server reads other rights."""

    def __init__(self, subject: str) -> None:
        super().__init__(f"{subject}: this key has no right to it")
        self.subject = subject


class DamagedObject(BusError):
    """The content of a stored object is not what the object's name says."""


class UnfitServer(BusError):
    """The server is too old, or acknowledges before it fsyncs."""


class ForeignSettings(UnfitServer):
    """A stream has settings that Loa has not made and that can't be set back."""

    def __init__(self, stream: str, settings: Sequence[str], detail: str) -> None:
        super().__init__(f"stream {stream}: {', '.join(settings)}: {detail}")
        self.stream = stream
        self.settings = tuple(settings)
        self.detail = detail


class TooFewServers(UnfitServer):
    """The servers can't keep *replicas* of *stream*: they are no cluster, or too few of one."""

    def __init__(self, stream: str, replicas: int, detail: str) -> None:
        super().__init__(f"stream {stream}: {replicas} replicas: {detail}")
        self.stream, self.replicas, self.detail = stream, replicas, detail


class AccessRefused(BusError):
    """The server refuses the credentials. `variable` names the ones that were used."""

    def __init__(self, text: str, variable: str) -> None:
        super().__init__(text)
        self.variable = variable


class UntrustedServer(AccessRefused):
    """The server has no certificate that is trusted; no credentials were sent to it."""


class InvalidKey(ValueError):
    """Nothing can be stored under such a name."""
