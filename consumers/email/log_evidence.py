"""Compare mail in doubt with the logs of the relays, which name every mail that they accepted.

What a log names is delivered. After a restore, what no log names never arrived, if the logs are
complete since before it can have left. Their Message-IDs lie in a file, so that memory does not
grow with them.
"""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel

from channels.base import Outcome, Verdict
from channels.email.smtp.relay_log import accepted_in, whole_log
from consumers.ledger import bulk, moves
from consumers.ledger.doubts import DoubtCause
from consumers.ledger.entry import IN_DOUBT, LedgerEntry
from consumers.ledger.store import Ledger
from consumers.ledger.wakeups import Waker
from consumers.progress import report_progress
from consumers.restored import RestoreRecord
from contracts import keys
from contracts.base.times import Clock
from contracts.delivery import BatchKey, ChannelName

_EMAIL = ChannelName.EMAIL
_MESSAGE_ID = re.compile(rb"<([0-9a-z]{32})@")
_ID_LENGTH = 32
_AT_ONCE = 20_000
_NAMED = Outcome(Verdict.DELIVERED, "the relay's log")
_NOT_NAMED = Outcome(Verdict.ABSENT, "not in the relays' logs")


class AcceptedMails:
    """The mails that logs name as accepted, by the part of the Message-ID that is Loa's."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self.count = 0

    def add_relay(self, logs: Path) -> None:
        """Add a log of a relay, or a folder with all of one relay's. Raises OSError."""
        files = [file for file in logs.iterdir() if file.is_file()] if logs.is_dir() else [logs]
        files.sort(key=lambda file: file.stat().st_mtime)  # the lines of a mail may be in two
        chunks = chain.from_iterable(map(whole_log, files))
        ids = accepted_in(chunks, lambda id: _MESSAGE_ID.match(id) is not None)
        while some := sorted(id[1 : 1 + _ID_LENGTH].decode() for id in islice(ids, _AT_ONCE)):
            self.db.executemany("insert or ignore into mail values (?)", ((id,) for id in some))
            self.count += len(some)
            report_progress("mails", self.count)

    def among(self, delivery_keys: Iterable[str]) -> frozenset[str]:
        """Those of *delivery_keys* whose mails were accepted."""
        by_id = {key[:_ID_LENGTH]: key for key in delivery_keys}
        marks = ",".join("?" * len(by_id))
        found = self.db.execute(f"select id from mail where id in ({marks})", list(by_id))  # noqa: S608
        return frozenset(by_id[id] for (id,) in found)


@asynccontextmanager
async def read_logs(relays: Sequence[Path], folder: Path) -> AsyncIterator[AcceptedMails]:
    """Read the logs into a file below *folder*, which goes at the end. Raises OSError."""
    with (
        TemporaryDirectory(dir=folder, prefix="relay-logs.") as place,
        closing(sqlite3.connect(Path(place) / "accepted", check_same_thread=False)) as db,
    ):
        for pragma in ("journal_mode = off", "synchronous = off"):
            db.execute(f"pragma {pragma}")
        db.execute("create table mail (id text primary key) without rowid")
        accepted = AcceptedMails(db)
        for logs in relays:
            await asyncio.to_thread(accepted.add_relay, logs)
        yield accepted


class EvidenceCounts(BaseModel):
    """Rows that were in doubt: by the logs they are delivered, or were never sent."""

    delivered: int = 0
    not_sent: int = 0


@dataclass
class LogEvidence:
    """Resolves mail in doubt. Raises BusError.

    *complete_since*: the logs name every mail since then; only for mail that *restored* left in
    doubt, and that nothing has tried since.
    """

    ledger: Ledger
    waker: Waker
    accepted: AcceptedMails
    clock: Clock
    restored: RestoreRecord | None = None
    complete_since: datetime | None = None
    counts: EvidenceCounts = field(default_factory=EvidenceCounts)

    async def apply(self) -> EvidenceCounts:
        """Compare every batch; a batch that changes meanwhile may be looked at again."""
        read = 0
        async for _, batch in bulk.read_states(self.ledger.bucket, f"{_EMAIL}."):
            report_progress("batches", read := read + 1)
            if batch and batch.entry and IN_DOUBT in batch.entry.rows:
                await self.resolve(batch.key, await self.recipients(batch.key, batch.entry))
            await asyncio.sleep(0)
        return self.counts

    async def resolve(self, batch: BatchKey, ids: Sequence[str]) -> None:
        """Resolve the rows of one batch, and wake it where something has changed."""

        def resolved(entry: LedgerEntry) -> LedgerEntry:
            outcomes = self.outcomes(batch, entry, ids)
            if not outcomes:
                return entry
            after = moves.resolve(entry, outcomes, self.clock())
            return after if after.owner else moves.release(after, self.clock())

        if changed := await self.ledger.change(batch, resolved):
            await self.waker.wake(batch, changed.after.lane)
            self.count(self.outcomes(batch, changed.before, ids))

    def outcomes(
        self, batch: BatchKey, entry: LedgerEntry, ids: Sequence[str]
    ) -> dict[int, Outcome]:
        """The rows in doubt of which the logs tell something."""
        by_row = {row: ids[row] for row, letter in enumerate(entry.rows) if letter == IN_DOUBT}
        by_key = keys.delivery_keys(batch.content_id, batch.revision, _EMAIL, [*by_row.values()])
        named, is_complete = self.accepted.among(by_key), self.is_complete_for(entry)
        return {
            row: _NAMED if key in named else _NOT_NAMED
            for row, key in zip(by_row, by_key, strict=True)
            if key in named or is_complete
        }

    async def recipients(self, batch: BatchKey, entry: LedgerEntry) -> Sequence[str]:
        if keys.is_personal(batch.content_id):
            return (entry.notice_recipient,)
        return (await self.ledger.rows(batch)).ids

    def is_complete_for(self, entry: LedgerEntry) -> bool:
        """Whether the logs would name every mail of a batch.

        Mail that was planned anew may have left since the backup, any other since it was planned.
        What this Loa has tried itself, after the restore, may be younger than the logs.
        """
        if self.restored is None or self.complete_since is None:
            return False
        first = min(self.restored.backup.timestamp(), entry.created)
        is_untried = all(doubt.cause is DoubtCause.RESTORED for doubt in entry.doubts)
        return is_untried and self.complete_since.timestamp() <= first

    def count(self, outcomes: Mapping[int, Outcome]) -> None:
        delivered = sum(one is _NAMED for one in outcomes.values())
        self.counts.delivered += delivered
        self.counts.not_sent += len(outcomes) - delivered
