"""A delivery pipeline with returned mail: planner, worker, ledger and bounce handler."""

import time
from datetime import UTC, datetime

from channels.base import Outcome, Verdict
from consumers.case_notices.recipients import CaseNotices
from consumers.email.bounce_monitor import BounceMonitor
from consumers.email.bounce_records import BounceRecords
from consumers.email.bounces import BounceHandler
from consumers.email.policy import EmailSendPolicy
from consumers.email.receipts import ReturnedMail
from consumers.email.row_lookup import RowLookup
from consumers.feedback.handler import FeedbackHandler, parse_receipt
from consumers.suppression.store import SuppressionStore
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.subscriber import Subscriber
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.scripted_channel import OK, ScriptedChannel, StaticReaders, reader_ids

EMAIL = ChannelName.EMAIL
SECRET = b"s" * 32
READERS = 4201
"""Of `bounce_pipeline`."""


class BouncePipeline(DeliveryPipeline):
    """Its subscribers are in the bucket, too; `row_refs` are those of the sent mails."""

    def __init__(self, bus, folder, count: int, **provider) -> None:
        self.row_refs: dict[str, str] = {}
        self.answers: dict[str, Outcome] = {}
        provider |= {"answer": self.answer}
        super().__init__(bus, folder, StaticReaders(reader_ids(count)), ScriptedChannel(**provider))
        self.clock.now = time.time() + 3600  # later than the times of the stored subscribers
        self.suppressions = SuppressionStore(bus, SECRET)
        self.sending = EmailSendPolicy(bus, self.worker.semaphore, self.clock)
        self.worker.policy = self.sending
        self.brake = BounceMonitor(bus, self.ledger, self.clock)
        self.feedback = FeedbackHandler(self.ledger, clock=self.clock)
        notices = CaseNotices(bus, self.ledger, self.waker)
        self.bounces = BounceHandler(
            bus, RowLookup(bus, self.ledger, notices.find_record), self.suppressions,
            self.brake, self.feedback.confirm_sent, self.clock,
        )  # fmt: skip
        self.feedback.on_mail_receipt = self.bounces.on_receipt
        self.books = BounceRecords(self.ledger.bucket)

    def answer(self, row) -> Outcome:
        self.row_refs[row.id] = row.row_ref
        return self.answers.get(row.id, OK)

    async def add_readers(self, *ids: str) -> None:
        """Put subscribers into the bucket."""
        bucket = self.bus.bucket(subjects.SUBSCRIBERS.name)
        for id in ids or self.readers.ids:
            one = Subscriber(id=id, email=f"{id}@example.com")
            await bucket.put(f"s.{id}", one.model_dump_json().encode())

    async def deliver(self, **changes) -> PlanKey:
        """Send one publication to all recipients."""
        plan = await self.plan(**changes)
        await self.work_plan(plan)
        return plan

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def bounce(self, reader: str, code: str = "5.1.1", returned="bounce", **said) -> None:
        """Return the last mail of *reader*."""
        seals = said.pop("seals", (self.suppressions.hash_address(f"{reader}@example.com"),))
        place = said.pop("place", self.row_refs.get(reader, ""))
        receipt = ReturnedMail(
            returned=returned, at=self.now(), place=place, code=code, seals=seals, **said
        )
        await self.feedback.on_receipt(receipt)

    async def consume_receipts(self) -> None:
        """Handle everything in RECEIPTS, as the consumer does."""
        for one in [one async for one in self.bus.scan(subjects.RECEIPTS.name)]:
            await self.feedback.on_receipt(parse_receipt(one.data))

    async def suppression_reason(self, reader: str) -> str | None:
        """Return why an address, or that of a reader, is suppressed, at any time."""
        address = reader if "@" in reader else f"{reader}@example.com"
        suppression = await self.suppressions.find(self.suppressions.key_of_address(EMAIL, address))
        return suppression.reason if suppression else None


def refusal(code: str, verdict: Verdict = Verdict.FAILED) -> Outcome:
    return Outcome(verdict, f"550 {code}", code=code)
