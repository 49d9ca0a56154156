"""Errors of the embedded nats-server."""

from dataclasses import dataclass
from pathlib import Path


class ServerFailed(Exception):
    """nats-server did not start; the text ends with the last line of its log."""


class StreamSettingsDamaged(ServerFailed):
    """The server would leave a stream out, because its file of settings is damaged."""

    def __init__(self, stream: str, file: Path) -> None:
        super().__init__(f"the settings of the stream {stream} are damaged: {file}")
        self.stream = stream


@dataclass(frozen=True, slots=True)
class StoreHolder:
    """The process that holds a store, and the server it has started there, as far as known."""

    store: Path
    owner: str
    server: str
    is_stopped: bool
    """Whether the server got a signal to stop, and does nothing until one to go on."""


class StoreBusy(Exception):
    """Another process uses this store; two servers on one store would corrupt it."""

    def __init__(self, text: str, holder: StoreHolder | None = None) -> None:
        super().__init__(text)
        self.holder = holder
