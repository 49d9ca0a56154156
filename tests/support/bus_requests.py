"""The requests that work makes of the bus."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import pytest

from producers.bus.connection import Connection

_READ, _RECORD = "$JS.API.STREAM.MSG.GET.", "$KV."


@dataclass
class Requests:
    """Each answered request as `read STREAM` or `write SUBJECT`; their rounds.

    A round begins with a request that is made while no other waits for its answer.
    """

    made: list[str] = field(default_factory=list)
    rounds: int = 0
    waiting: int = 0

    @contextmanager
    def counted(self, subject: str) -> Iterator[None]:
        """Count a request; without an answer it is made again."""
        name, begins_round = _name(subject), not self.waiting
        self.made.append(name)
        self.rounds += begins_round
        self.waiting += 1
        try:
            yield
        except BaseException:
            self.made.remove(name)
            self.rounds -= begins_round
            raise
        finally:
            self.waiting -= 1


def _name(subject: str) -> str:
    if subject.startswith(_READ):
        return f"read {subject.removeprefix(_READ).removeprefix('KV_')}"
    if subject.startswith(_RECORD):
        return f"write {subject.split('.')[1]}"
    return f"write {subject.partition('.')[0]}"


@contextmanager
def recorded_requests() -> Iterator[Requests]:
    """The requests that this process makes meanwhile."""
    requests, wait = Requests(), Connection.awaiting_reply

    @asynccontextmanager
    async def counted(link, subject, *args, **options):
        with requests.counted(subject):
            async with wait(link, subject, *args, **options):
                yield

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Connection, "awaiting_reply", counted)
        yield requests


async def count_requests(work: Callable[[], Awaitable[object]]) -> int:
    """Do *work*; the number of requests that this process has made meanwhile."""
    with recorded_requests() as requests:
        await work()
    return len(requests.made)
