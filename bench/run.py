"""What one contestant did in one repetition."""

from dataclasses import dataclass
from typing import Protocol

from bench.sink import Sink


@dataclass(frozen=True)
class Usage:
    """CPU seconds and peak memory of a group of processes."""

    cpu_s: float = 0.0
    peak_bytes: int = 0


@dataclass(frozen=True)
class Run:
    """Times run from the command (or the event's POST) to the sink's counter."""

    mails: int
    first_s: float
    last_s: float
    wire_bytes: int
    own: Usage
    bus: Usage | None = None  # nats-server, where there is one

    @property
    def rate(self) -> float:
        return self.mails / self.last_s


class Contestant(Protocol):
    """Sends *mails* individually addressed mails of about 5 KB to the sink."""

    name: str

    def run(self, sink: Sink, mails: int) -> Run: ...
