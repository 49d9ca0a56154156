"""Bucket `digests`: how far each rhythm was cut, what every digest holds, and where items stand.

`now.<frequency>` is the place of the last cut. `issue.<digest_id>.<revision>` is what a digest
holds, for ever; `item.<content_id>` names the digests that an item stands in; `open` names those
with which there is something to do. A cut writes all of them at once, or none.
"""

import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, Field

from consumers import register
from consumers.register import Held
from contracts import subjects
from contracts.digest import Gathered, Issue
from contracts.records import Record
from producers.bus import Bus, Conflict, Entry, Silence

OPEN, KEPT = "open", 256


class Now(Record):
    """How far one rhythm was cut: up to a sequence of PUBLICATIONS, and when."""

    upto: int
    at: AwareDatetime
    day: date
    last: str = ""
    """The last digest; not every cut makes one."""
    carried: tuple[int, ...] = ()
    """What lies in the window, and whose time has not come: it stands in a later digest."""


class Places(Record):
    """The digests that an item stands in; what each of them holds of it, its issues say."""

    digests: tuple[str, ...] = ()


class Stored(NamedTuple):
    """An issue, and its place among all: an earlier one is planned first."""

    issue: Issue
    order: int


class Open(Record):
    """Digests with which there is something to do; each call for one has a mark of its own."""

    calls: dict[str, str] = Field(default_factory=dict)

    def called(self, digest_id: str) -> "Open":
        return Open(calls={**self.calls, digest_id: secrets.token_hex(8)})

    def without(self, digest_id: str, call: str) -> "Open":
        """Leave *digest_id* out, unless it was called for since."""
        if self.calls.get(digest_id) != call:
            return self
        return Open(calls={name: one for name, one in self.calls.items() if name != digest_id})


class Book:
    """Reads and writes the bucket. Raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.DIGESTS.name)
        self.issues: dict[tuple[str, int], Stored] = {}  # they never change

    async def now(self, frequency: Gathered) -> Held[Now]:
        return await register.read(self.bucket, f"now.{frequency}", Now)

    async def begin(self, frequency: Gathered, now: Now) -> None:
        """Note where the first window begins, unless somebody has."""
        try:
            await self.bucket.create(f"now.{frequency}", encoded(now))
        except Conflict:
            return

    async def places(self, content_id: str) -> Held[Places]:
        return await register.read(self.bucket, f"item.{content_id}", Places)

    async def issue(self, digest_id: str, revision: int) -> Stored | None:
        """One issue; None when there is none (yet)."""
        key = (digest_id, revision)
        if key not in self.issues:
            held = await register.read(self.bucket, f"issue.{digest_id}.{revision}", Issue)
            if held.value is None:
                return None
            if len(self.issues) >= KEPT:
                self.issues.clear()
            self.issues[key] = Stored(held.value, held.revision)
        return self.issues[key]

    async def every(self, digest_id: str) -> Sequence[Stored]:
        """All issues of one digest, the first one first."""
        found: list[Stored] = []
        while stored := await self.issue(digest_id, len(found) + 1):
            found.append(stored)
        return found

    async def cut(
        self, frequency: Gathered, held: Held[Now], now: Now, issue: Issue | None
    ) -> bool:
        """Write a cut, and what it holds; False when another process was first.

        The place of the cut is what two processes compete for.
        """
        writes = await self.standing(issue) if issue else []
        writes.append(Entry(f"now.{frequency}", encoded(now), held.revision))
        try:
            await self.bucket.batch(writes)
        except Conflict:
            return False
        return True

    async def standing(self, issue: Issue) -> list[Entry]:
        """What a new digest adds to the bucket."""
        name, open_ = issue.digest_id, await register.read(self.bucket, OPEN, Open)
        writes = [Entry(f"issue.{name}.{issue.revision}", encoded(issue), 0)]
        for item in issue.items:
            held = await self.places(item.content_id)
            stands = held.value or Places()
            wider = stands.model_copy(update={"digests": (*stands.digests, name)})
            writes.append(Entry(f"item.{item.content_id}", encoded(wider), held.revision))
        called = (open_.value or Open()).called(name)
        return [*writes, Entry(OPEN, encoded(called), open_.revision)]

    async def carry(self, frequency: Gathered, seqs: Iterable[int]) -> None:
        """Have the next digest of a rhythm look at publications once more."""

        def move(found: Now | None) -> Now:
            now = Held(found).known
            return now.model_copy(update={"carried": tuple(sorted({*now.carried, *seqs}))})

        await register.change(self.bucket, f"now.{frequency}", Now, move)

    async def again(self, issue: Issue) -> Stored:
        """Issue a digest once more; what stands there if another process did."""
        with suppress(Conflict, Silence):  # what stands there counts, whoever wrote it
            await self.bucket.create(f"issue.{issue.digest_id}.{issue.revision}", encoded(issue))
        stands = await self.issue(issue.digest_id, issue.revision)
        if stands is None:
            raise Silence(f"issue.{issue.digest_id}.{issue.revision}")
        return stands

    async def open(self) -> Open:
        return (await register.read(self.bucket, OPEN, Open)).value or Open()

    async def call(self, digest_id: str) -> None:
        """Have a digest looked at."""

        def move(found: Open | None) -> Open:
            return (found or Open()).called(digest_id)

        await register.change(self.bucket, OPEN, Open, move)

    async def done(self, digest_id: str, call: str) -> None:
        """Nothing more to do with a digest, unless somebody has called since."""

        def move(found: Open | None) -> Open:
            return (found or Open()).without(digest_id, call)

        await register.change(self.bucket, OPEN, Open, move)


def encoded(value: BaseModel) -> bytes:
    return value.model_dump_json().encode()
