"""A house to which mail comes back: planner, worker, ledger, and whoever judges what returns."""

import time
from datetime import UTC, datetime

from channels.base import Outcome, Verdict
from consumers.feedback import Feedback, read
from consumers.mail.books import Books
from consumers.mail.brake import BounceBrake
from consumers.mail.receipts import Returned
from consumers.mail.returns import Returns
from consumers.mail.sending import Sending
from consumers.mail.whose import Whose
from consumers.notices.persons import Notices
from consumers.suppressions import Suppressions
from contracts import subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriber import Subscriber
from tests.delivery_house import House
from tests.fakes import OK, People, Provider, people

EMAIL = ChannelName.EMAIL
SECRET = b"s" * 32


class MailBack(House):
    """Its readers stand in the bucket, too; `places` are those of the mails that left."""

    def __init__(self, bus, folder, count: int, **provider) -> None:
        self.places: dict[str, str] = {}
        self.answers: dict[str, Outcome] = {}
        provider |= {"answer": self.answer}
        super().__init__(bus, folder, People(people(count)), Provider(**provider))
        self.clock.now = time.time() + 3600  # what the bus has stored of readers lies before it
        self.suppressions = Suppressions(bus, SECRET)
        self.sending = Sending(bus, self.worker.gate, self.clock)
        self.worker.conduct = self.sending
        self.brake = BounceBrake(bus, self.ledger, self.clock)
        self.feedback = Feedback(self.ledger)
        notices = Notices(bus, self.ledger, self.waker)
        self.returns = Returns(
            bus, Whose(bus, self.ledger, notices.record), self.suppressions,
            self.brake, self.feedback.arrived, self.clock,
        )  # fmt: skip
        self.feedback.mail = self.returns.on_receipt
        self.books = Books(self.ledger.bucket)

    def answer(self, row) -> Outcome:
        self.places[row.id] = row.place
        return self.answers.get(row.id, OK)

    async def settle(self, *ids: str) -> None:
        """Put readers into the bucket."""
        bucket = self.bus.bucket(subjects.SUBSCRIBERS.name)
        for id in ids or self.readers.ids:
            one = Subscriber(id=id, email=f"{id}@example.com")
            await bucket.put(f"s.{id}", one.model_dump_json().encode())

    async def send(self, **changes) -> PlanKey:
        """One publication, to everybody."""
        plan = await self.plan(**changes)
        await self.work_all(plan)
        return plan

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.clock(), UTC)

    async def back(self, reader: str, code: str = "5.1.1", returned="bounce", **said) -> None:
        """Something comes back of the mail that *reader* got last."""
        seals = said.pop("seals", (self.suppressions.seal(f"{reader}@example.com"),))
        place = said.pop("place", self.places.get(reader, ""))
        receipt = Returned(
            returned=returned, at=self.now(), place=place, code=code, seals=seals, **said
        )
        await self.feedback.on_receipt(receipt)

    async def heard(self) -> None:
        """Everything that lies in RECEIPTS, as the consumer would take it."""
        for one in [one async for one in self.bus.scan(subjects.RECEIPTS.name)]:
            await self.feedback.on_receipt(read(one.data))

    async def why(self, reader: str) -> str | None:
        """Why *reader*'s address is left alone, whatever the time here."""
        address = f"{reader}@example.com"
        said = await self.suppressions.standing(self.suppressions.key(EMAIL, address))
        return said.reason if said else None


def refused(code: str, verdict: Verdict = Verdict.FAILED) -> Outcome:
    return Outcome(verdict, f"550 {code}", code=code)
