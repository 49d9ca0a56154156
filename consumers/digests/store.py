"""Digest store, bucket `digests`: the last cut of each frequency, issues, and items in digests.

`now.<frequency>` is the last cut. `issue.<digest_id>.<revision>` is the content of a digest, kept
for ever. `item.<content_id>` names the digests that hold an item, `open` those with work to do. A
cut writes all of them in one atomic batch."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from pydantic import AwareDatetime, BaseModel, Field

from contracts import subjects
from contracts.records import Record
from contracts.subscriptions.digest import DigestFrequency, Issue
from producers.bus import BatchEntry, Bus, NoReply, RevisionConflict, records
from producers.bus.records import Versioned, require

_OPEN_KEY, CACHE_SIZE = "open", 256


class LastCut(Record):
    """The last cut of one frequency: its sequence of PUBLICATIONS, and its time."""

    upto: int
    at: AwareDatetime
    day: date
    last: str = ""
    """The last digest; a cut without items makes none."""
    carried: tuple[int, ...] = ()
    """Publications in the window that have not started: they go into a later digest."""


class ItemDigests(Record):
    """The digests that hold an item; their issues say which revision."""

    digests: tuple[str, ...] = ()


class StoredIssue(NamedTuple):
    """An issue and its order: an earlier one is planned first."""

    issue: Issue
    order: int


class OpenDigests(Record):
    """Digests with work to do; every call has a mark of its own."""

    calls: dict[str, str] = Field(default_factory=dict)

    def with_call(self, digest_id: str) -> "OpenDigests":
        return OpenDigests(calls={**self.calls, digest_id: secrets.token_hex(8)})

    def without(self, digest_id: str, call: str) -> "OpenDigests":
        """Remove *digest_id*, unless it was called again."""
        if self.calls.get(digest_id) != call:
            return self
        rest = {name: mark for name, mark in self.calls.items() if name != digest_id}
        return OpenDigests(calls=rest)


class DigestStore:
    """Reads and writes the bucket. Raises BusError."""

    def __init__(self, bus: Bus) -> None:
        self.bucket = bus.bucket(subjects.DIGESTS.name)
        self.cache: dict[tuple[str, int], StoredIssue] = {}  # issues never change

    async def last_cut(self, frequency: DigestFrequency) -> Versioned[LastCut | None]:
        return await records.read(self.bucket, f"now.{frequency}", LastCut)

    async def create_first_cut(self, frequency: DigestFrequency, first: LastCut) -> None:
        """Store the start of the first window, unless there is one."""
        with suppress(RevisionConflict):
            await self.bucket.create(f"now.{frequency}", encode(first))

    async def digests_of_item(self, content_id: str) -> Versioned[ItemDigests | None]:
        return await records.read(self.bucket, f"item.{content_id}", ItemDigests)

    async def issues_with(self, content_id: str) -> AsyncIterator[tuple[Issue, int]]:
        """Yield the issues that hold an item, and the item's number there."""
        digests = (await self.digests_of_item(content_id)).value
        for digest_id in digests.digests if digests else ():
            for issue, _ in await self.all_issues(digest_id):
                number = issue.number_of(content_id)
                if number is not None:
                    yield issue, number

    async def issue(self, digest_id: str, revision: int) -> StoredIssue | None:
        """Return one issue; None if there is none (yet)."""
        key = (digest_id, revision)
        if key not in self.cache:
            stored = await records.read(self.bucket, f"issue.{digest_id}.{revision}", Issue)
            if stored.value is None:
                return None
            if len(self.cache) >= CACHE_SIZE:
                self.cache.clear()
            self.cache[key] = StoredIssue(stored.value, stored.revision)
        return self.cache[key]

    async def all_issues(self, digest_id: str) -> Sequence[StoredIssue]:
        issues: list[StoredIssue] = []
        while stored := await self.issue(digest_id, len(issues) + 1):
            issues.append(stored)
        return issues

    async def write_cut(
        self,
        frequency: DigestFrequency,
        before: Versioned[LastCut | None],
        cut: LastCut,
        issue: Issue | None,
    ) -> bool:
        """Write a cut with its issue; False when another process was first.

        Two processes compete for the entry of the last cut.
        """
        writes = await self.new_digest_entries(issue) if issue else []
        writes.append(BatchEntry(f"now.{frequency}", encode(cut), before.revision))
        try:
            await self.bucket.batch(writes)
        except RevisionConflict:
            return False
        return True

    async def new_digest_entries(self, issue: Issue) -> list[BatchEntry]:
        name, open_ = issue.digest_id, await records.read(self.bucket, _OPEN_KEY, OpenDigests)
        writes = [BatchEntry(f"issue.{name}.{issue.revision}", encode(issue), 0)]
        for item in issue.items:
            stored = await self.digests_of_item(item.content_id)
            digests = stored.value or ItemDigests()
            wider = digests.model_copy(update={"digests": (*digests.digests, name)})
            writes.append(BatchEntry(f"item.{item.content_id}", encode(wider), stored.revision))
        called = (open_.value or OpenDigests()).with_call(name)
        return [*writes, BatchEntry(_OPEN_KEY, encode(called), open_.revision)]

    async def carry_over(self, frequency: DigestFrequency, seqs: Iterable[int]) -> None:
        def add(stored: LastCut | None) -> LastCut:
            now = require(stored)
            return now.model_copy(update={"carried": tuple(sorted({*now.carried, *seqs}))})

        await records.update(self.bucket, f"now.{frequency}", LastCut, add)

    async def store_reissue(self, issue: Issue) -> StoredIssue:
        """Store a reissue; return the stored one if another process was first."""
        with suppress(RevisionConflict, NoReply):  # the stored issue counts
            await self.bucket.create(f"issue.{issue.digest_id}.{issue.revision}", encode(issue))
        stored = await self.issue(issue.digest_id, issue.revision)
        if stored is None:
            raise NoReply(f"issue.{issue.digest_id}.{issue.revision}")
        return stored

    async def open_digests(self) -> OpenDigests:
        return (await records.read(self.bucket, _OPEN_KEY, OpenDigests)).value or OpenDigests()

    async def mark_open(self, digest_id: str) -> None:
        """Call for a check of a digest."""
        await self.update_open(lambda calls: calls.with_call(digest_id))

    async def mark_done(self, digest_id: str, call: str) -> None:
        """Close a digest, unless it was called again."""
        await self.update_open(lambda calls: calls.without(digest_id, call))

    async def update_open(self, change: Callable[[OpenDigests], OpenDigests]) -> None:
        await records.update_or_create(self.bucket, _OPEN_KEY, OpenDigests, change)


def encode(value: BaseModel) -> bytes:
    return value.model_dump_json().encode()
