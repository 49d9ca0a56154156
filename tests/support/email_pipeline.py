"""The whole e-mail path against a real relay: planner, ledger and worker on a bus, virtual time."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from channels.base import Recipient
from channels.email.channel import EmailChannel
from consumers.ledger.entry import LedgerEntry
from consumers.runtime.errors import RetryLater
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from producers.bus import Bus
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.mails import email_channel
from tests.support.scripted_channel import StaticReaders, reader_ids
from tests.support.smtp_conversation import Mail
from tests.support.smtp_receiver import SmtpReceiver

DOMAIN = "moha.example"
NEVER_SENT = frozenset("xuewv")
ARRIVED = frozenset("dD")


class PlayOnce(dict[Any, Any]):
    """A script of which every line is played once."""

    def __getitem__(self, key: Any) -> Any:
        return self.pop(key)


class EmailPipeline(DeliveryPipeline):
    """A planner and a worker whose channel talks to the relay on *port*."""

    provider: EmailChannel

    def __init__(self, bus: Bus, folder: Any, count: int, port: int, **changes: Any) -> None:
        timeout_s = changes.pop("timeout_s", 5.0)
        channel = email_channel(port, **changes)
        channel.request_timeout_s = channel.pool.request_timeout_s = timeout_s
        channel.pool.end_timeout_s = timeout_s
        super().__init__(bus, folder, StaticReaders(reader_ids(count)), channel)
        self.wakes: list[tuple[float, BatchKey]] = []
        self.dials: list[float] = []
        self.open_connection = channel.pool.open
        channel.pool.open = self.dial  # type: ignore[method-assign]
        self.reasons: set[str] = set()
        self.publications: dict[PlanKey, Publication] = {}

    async def dial(self, *relay: Any) -> Any:
        """Open a connection to a relay, with the time of each try in `dials`."""
        self.dials.append(self.clock())
        return await self.open_connection(*relay)

    async def publish(self, publication: Publication) -> Any:
        key = PlanKey(ChannelName.EMAIL, publication.content_id, publication.revision)
        self.publications[key] = publication
        return await super().publish(publication)

    async def batches(self, plan: PlanKey) -> list[BatchKey]:
        return [BatchKey(*plan, n) for n in range((await self.ledger.plan(plan)).value.count)]

    async def entry_of(self, batch: BatchKey) -> LedgerEntry:
        return (await self.ledger.state(batch)).value

    async def wake(self, batch: BatchKey) -> float | None:
        """One wake-up; when the next one comes, or None when the batch is closed."""
        self.wakes.append((self.clock(), batch))
        try:
            await self.work(batch.plan, batch.number)
        except RetryLater as later:
            self.reasons.add(later.reason)
            return self.clock() + later.delay_s
        entry = await self.entry_of(batch)
        return None if entry.closed_at else entry.due

    async def run(self, *plans: PlanKey, until: float = float("inf")) -> None:
        """Visit the batches of *plans* in their time until all are closed, or it is *until*."""
        due = {batch: self.clock() for plan in plans for batch in await self.batches(plan)}
        while due and (now := min(due.values())) < until:
            self.clock.now = max(self.clock(), now)
            ready = [batch for batch, at in due.items() if at <= self.clock()]
            again = await asyncio.gather(*(self.wake(batch) for batch in ready))
            due |= {batch: at for batch, at in zip(ready, again, strict=True) if at is not None}
            for batch, at in zip(ready, again, strict=True):
                if at is None:
                    del due[batch]

    async def rows(self, plan: PlanKey) -> dict[str, str]:
        """Reader id → letter."""
        found: dict[str, str] = {}
        for batch in await self.batches(plan):
            ids = (await self.ledger.rows(batch)).ids
            found |= dict(zip(ids, (await self.entry_of(batch)).rows.decode(), strict=True))
        return found

    async def why(self, plan: PlanKey) -> dict[str, str]:
        """Reader id → reason, where one is kept."""
        return {
            (await self.ledger.rows(batch)).ids[row]: note.reason
            for batch in await self.batches(plan)
            for row, note in (await self.entry_of(batch)).notes.items()
        }

    async def copies(self, *plans: PlanKey) -> int:
        """How many copies the ledger declares as possible."""
        batches = [batch for plan in plans for batch in await self.batches(plan)]
        return sum([(await self.entry_of(batch)).possible_copies for batch in batches])


def mailboxes(count: int) -> list[str]:
    return [f"{reader}@example.com" for reader in reader_ids(count)]


def message_id(plan: PlanKey, reader: str) -> str:
    return keys.message_id(delivery_key(plan, reader), DOMAIN)


def delivery_key(plan: PlanKey, reader: str) -> str:
    return keys.delivery_key(plan.content_id, plan.revision, plan.channel, reader)


def mails_by_reader(receiver: SmtpReceiver) -> dict[tuple[str, str], list[Mail]]:
    """(address, Message-ID) → the mails accepted under it."""
    found: dict[tuple[str, str], list[Mail]] = defaultdict(list)
    for mail in receiver.mails:
        found[mail.recipient, mail.message_id].append(mail)
    return found


async def check_ledger(loa: EmailPipeline, receiver: SmtpReceiver, *plans: PlanKey) -> int:
    """Both sides tell the same story; returns the number of extra copies that arrived."""
    got, extra = mails_by_reader(receiver), 0
    for plan in plans:
        wrong, more = ledger_faults(loa, plan, await loa.rows(plan), got)
        assert not wrong, wrong[:5]
        assert more <= await loa.copies(plan), f"{more} copies, and fewer declared"
        extra += more
    assert not got, f"nobody planned {len(got)} of these mails"
    return extra


def ledger_faults(
    loa: EmailPipeline, plan: PlanKey, rows: dict[str, str], got: Any
) -> tuple[list[str], int]:
    """Errors of the ledger about *plan*, and the number of surplus copies."""
    rendered, wrong, extra = loa.provider.render(loa.publications[plan]), [], 0
    for reader, letter in rows.items():
        mails = got.pop((f"{reader}@example.com", message_id(plan, reader)), [])
        extra += max(0, len(mails) - 1)
        wrong += [f"{reader} {letter}: {what}" for what in contradictions(letter, len(mails))]
        whole = expected_mail(rendered, plan, reader)
        wrong += [f"{reader}: a mail that is not whole" for one in mails if one.raw != whole]
    return wrong, extra


def contradictions(letter: str, mails: int) -> Iterator[str]:
    """A capital letter is a declared "maybe"; without one there is exactly one truth."""
    if letter in "psrPSR":
        yield "has not ended"
    if letter in NEVER_SENT and mails:
        yield "was sent"
    if letter in ARRIVED and not mails:
        yield "never arrived"
    if letter == "d" and mails > 1:
        yield f"{mails} copies, and none declared"


def expected_mail(rendered: Any, plan: PlanKey, reader: str) -> bytes:
    row = Recipient(reader, delivery_key(plan, reader), f"{reader}@example.com")
    return bytes(rendered.envelope(row).body)
