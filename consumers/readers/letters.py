"""Letters to one person: at most three a day for an address, through the ledger as notices go.

The letter itself lies in bucket `notices` until it has ended. The content_id of one that anybody
can ask for is made of a keyed hash of the address, the day and a number from 0 to 2, and its entry
in the ledger is made once and stays: that is what counts the letters of a day, whichever process
sends them. What only the reader's own act causes has a name of its own and counts with no others.
"""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import structlog
from structlog.contextvars import bound_contextvars

from channels.base import Outcome
from consumers.ledger.codec import Rows
from consumers.ledger.entry import Entry, noticed
from consumers.notices.persons import Notices, NotToTry, Person, Whom
from consumers.readers.cap import Cap
from consumers.suppressions import BOUNCED
from contracts import keys, subjects
from contracts.crash import crash_point
from contracts.delivery import BatchKey, ChannelName
from contracts.letter import Letter, LetterKind
from contracts.vietnam import VIETNAM
from producers.bus import Bus, Conflict, Silence

log = structlog.get_logger()
A_DAY = 3
WAYS_IN = frozenset({LetterKind.CONFIRM, LetterKind.MANAGE, LetterKind.CHANGE})
"""Whoever opens one is reached there."""


class Hashes(Protocol):
    """Stands for an address where it must not be read; see `consumers.readers.people`."""

    def address(self, email: str) -> str: ...


@dataclass
class Letters:
    """Sends letters. Raises BusError."""

    bus: Bus
    notices: Notices
    hashes: Hashes
    clock: Callable[[], float]
    cap: Cap | None = None

    async def send(self, letter: Letter) -> str | None:
        """Begin *letter*; its content_id, or None when the address has got its three today.

        Raises NoLetterNow where all together have asked for too many lately. That is asked first,
        of every address alike, so that nobody learns by it what an address has got.
        """
        hour = await self.cap.take() if self.cap else 0
        content_id = await self.sent(letter)
        if content_id is None:
            if self.cap:
                self.cap.give_back(hour)
            log.warning("letter_withheld", kind=letter.kind.value)
        return content_id

    async def sent(self, letter: Letter) -> str | None:
        """Begin *letter* under the first name of today that is free."""
        for number in range(A_DAY):
            content_id = self.name(letter, number)
            batch = BatchKey(ChannelName.EMAIL, content_id, 1, 0)
            if await self.notices.ledger.state(batch) is not None:
                continue
            if await self.take(batch, letter):
                return content_id
        return None

    async def begin(self, content_id: str, letter: Letter) -> None:
        """Begin *letter* under this name: however often, by however many, it goes once."""
        await self.take(BatchKey(ChannelName.EMAIL, content_id, 1, 0), letter)

    def name(self, letter: Letter, number: int) -> str:
        """The content_id of an address's letter of today with this *number*."""
        day = f"{datetime.fromtimestamp(self.clock(), VIETNAM):%Y-%m-%d}"
        whom = self.hashes.address(mailbox(letter.address))
        return keys.letter_content_id(whom, day, "asked", str(number))

    async def take(self, batch: BatchKey, letter: Letter) -> bool:
        """Send *letter* under this name; False if another is, or it had been sent already.

        Whoever stored another one here may have died before its entry: it is begun in any case.
        """
        mine = await self.store(batch.content_id, letter)
        crash_point("letter.stored")
        with bound_contextvars(content_id=batch.content_id):
            made = await self.notices.begin(batch, noticed(0, "", self.clock()))
        if mine and not made and await self.over(batch):
            return False
        if mine:
            log.info("letter_begun", kind=letter.kind.value, content_id=batch.content_id)
        return mine

    async def over(self, batch: BatchKey) -> bool:
        """Whether the letter of this name had ended before: nobody would send what lies there.

        What somebody else has begun and sent meanwhile lies there no more.
        """
        held = await self.notices.ledger.state(batch)
        bucket = self.bus.bucket(subjects.NOTICES.name)
        if held is None or not held.value.closed or await bucket.get(batch.content_id) is None:
            return False
        await bucket.purge(batch.content_id)
        return True

    async def store(self, content_id: str, letter: Letter) -> bool:
        """Whether *letter* is what lies there now: after silence nobody knows without a look."""
        bucket = self.bus.bucket(subjects.NOTICES.name)
        marked = letter.model_copy(update={"write": secrets.token_hex(8)})
        data = marked.model_dump_json().encode()
        try:
            await bucket.create(content_id, data)
        except (Conflict, Silence):
            found = await bucket.get(content_id)
            if found is None:
                raise
            return found.data == data
        return True


@dataclass
class Addressees:
    """What the mail worker has to know of a letter's addressee, and does when it has ended."""

    bus: Bus
    suppressed: NotToTry

    async def whom(self, batch: BatchKey, entry: Entry) -> Whom:
        """Nobody, where mail can't or must not go."""
        letter = await self.letter(batch)
        address = letter.address if letter else ""
        why = await self.suppressed.reason(batch.channel, address) if address else None
        if letter and why and may_try(letter.kind, why):
            why = None
        return Whom(Rows((entry.recipient,)), Person(address, why or ""), last=True)

    async def letter(self, batch: BatchKey) -> Letter | None:
        value = await self.bus.bucket(subjects.NOTICES.name).get(batch.content_id)
        return Letter.model_validate_json(value.data) if value else None

    async def last(self, _batch: BatchKey, _entry: Entry) -> bool:
        """It goes by mail or not at all."""
        return True

    async def put_off(self, _batch: BatchKey, entry: Entry, now: float) -> None:
        """It waits no longer than its link is good for."""

    async def ended(self, batch: BatchKey, entry: Entry, _now: float) -> None:
        """Forget whom it was for, however often it is asked for."""
        await self.bus.bucket(subjects.NOTICES.name).purge(batch.content_id)
        status = next(iter(entry.count()))
        log.info("letter_ended", status=status.value)

    async def heard(
        self, batch: BatchKey, entry: Entry, outcomes: Sequence[Outcome], now: float
    ) -> None:
        """Nothing follows from what the relay says of one letter."""


def may_try(kind: LetterKind, why: str) -> bool:
    """Whether a letter goes to an address that is left alone.

    Who asks for a way in may have repaired a mailbox that did not exist once; who has complained
    wants no letter that others can ask for.
    """
    return kind in WAYS_IN and why.startswith(BOUNCED)


def mailbox(address: str) -> str:
    """Where mail to *address* lies: what stands behind a `+` makes no other mailbox."""
    name, _, domain = address.rpartition("@")
    return f"{name.partition('+')[0]}@{domain}"


def moment(at: float) -> datetime:
    """Seconds since the epoch as a moment."""
    return datetime.fromtimestamp(at, UTC)
