"""Work of senders, reviewers and operators around the kills, and the answers that they got.

They are stubborn: what got no answer is said again, after every restart, until it has one.
"""

import asyncio
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from consumers.dead_letters.store import DeadLetterStore
from consumers.intake.draft_decisions import find_draft
from contracts import keys, subjects
from contracts.envelope import CONTENT_TYPE
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.publisher import Publisher, Spooled
from producers.seals import publish_sealed
from tests.deep.crash.environment import CampaignFailed, Environment, wait
from tests.deep.crash.evidence import AcceptedEvent, LedgerSnapshot, read_deliveries
from tests.deep.crash.receiver import mark
from tests.deep.crash.setup import BRIEF, GATHERED, READERS, TOPIC, TRIALS, UNIT, Setup
from tests.deep.crash.short_waits import OLD_ITEMS
from tests.deep.crash.zalo_check import broadcast_items, replayed

ACCEPTED = 202


@dataclass
class SentEvent:
    """One event of a sender, and whether it got its answer."""

    event: dict[str, Any]
    unit: str
    told: AcceptedEvent
    accepted: bool = False

    @property
    def content_id(self) -> str:
        return self.told.content_id


def words(content_id: str, text: object) -> dict[str, str]:
    """Text of a unit; it says which text of which item it is."""
    marked = mark(content_id, text)
    return {"body": f"{sample('submitted')['data']['body']}\n\n{marked}", "summary": marked}


@dataclass
class Workload:
    """The stubborn people around one Loa."""

    environment: Environment
    rng: random.Random
    ground: Setup = field(init=False)
    sent: list[SentEvent] = field(default_factory=list)
    pending: list[list[object]] = field(default_factory=list)  # commands not done yet
    by_command: list[SentEvent] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    reports: int = 0
    number: int = 0
    broadcast: SentEvent | None = None
    short: SentEvent | None = None
    filed: SentEvent | None = None  # the last item with an uploaded file
    asked: int = 0
    answers_lost: int = 0  # of Zalo's
    old: LedgerSnapshot = field(default_factory=LedgerSnapshot)  # what retention may remove

    def __post_init__(self) -> None:
        self.ground = Setup(self.environment)

    @property
    def told(self) -> list[AcceptedEvent]:
        """Events in earnest that senders were told are accepted."""
        return [sent.told for sent in self.sent if sent.accepted and sent.unit != TRIALS]

    @property
    def tried(self) -> list[AcceptedEvent]:
        """Trials that they were told are accepted."""
        return [sent.told for sent in self.sent if sent.accepted and sent.unit == TRIALS]

    # --- saying things

    def event(self, kind: str, unit: str, content_id: str, **data: Any) -> dict[str, Any]:
        self.number += 1
        event = sample(kind)
        kept = {name: event["data"][name] for name in ("topic", "body") if name in event["data"]}
        return event | {
            "data": kept | {"content_id": content_id, **data},
            "id": f"{content_id}-{self.number}",
            "source": f"/units/{unit}",
            "subject": content_id,
        }

    def publish(
        self,
        event: dict[str, Any],
        unit: str,
        readers: frozenset[str] = frozenset(),
        gathered: frozenset[str] = frozenset(),
    ) -> SentEvent:
        """Note an event; `repeat` sends it until it has an answer."""
        data = event["data"]
        content_id = data.get("content_id") or keys.case_content_id(data["case_code"])
        told = AcceptedEvent(
            keys.event_id(unit, event["source"], event["id"]),
            content_id, data.get("revision", 0), readers,
            data.get("title", ""), data.get("body", ""), gathered,
        )  # fmt: skip
        self.sent.append(SentEvent(event, unit, told))
        return self.sent[-1]

    def item(self, *names: str, topic: str = TOPIC, unit: str = UNIT, **data: Any) -> SentEvent:
        """A new item on some channels."""
        content_id = f"tin-{self.number + 1}"
        event = self.event(
            "submitted", unit, content_id, revision=1, topic=topic,
            title=f"Tin {content_id}, lần 1", channels=list(names), **words(content_id, 1), **data,
        )  # fmt: skip
        if "email" not in names:
            return self.publish(event, unit)
        gathered = frozenset(chain(*GATHERED.values())) if topic == TOPIC else frozenset()
        return self.publish(event, unit, frozenset(READERS.get(topic, ())), gathered)

    def trial(self) -> SentEvent:
        """A new item that its unit only tries out."""
        sent = self.item("portal", "email", "zalo")
        sent.unit = TRIALS
        return sent

    def case(self, **contact: str) -> SentEvent:
        """A step of a dossier, told by phone on Zalo, else by mail."""
        self.number += 1
        code = f"G09.20-20260609-{self.number:07d}"
        where = contact or {"email": f"ho-so-{self.number}@example.com"}
        event = sample("updated", case_code=code, contact={**where, "consent": True})
        event |= {"id": f"{code}-{self.number}", "source": f"/units/{UNIT}"}
        return self.publish(event, UNIT)

    def zalo_case(self) -> SentEvent:
        """As `case`, for a person with a phone; half of them could be told by mail as well."""
        number = self.number + 1
        mail = {"email": f"ho-so-{number}@example.com"} if self.rng.random() < 0.5 else {}
        return self.case(phone=f"8491{number:07d}", **mail)

    def correction(self, first: SentEvent) -> SentEvent:
        """The next revision of an item."""
        content_id, revision = first.content_id, first.told.revision + 1
        changes = {"revision": revision, "corrects_revision": revision - 1}
        data = first.event["data"] | changes | words(content_id, revision)
        data["title"] = f"Tin {content_id}, lần {revision}"
        event = self.event("corrected", first.unit, **data)
        return self.publish(event, first.unit, first.told.readers, first.told.for_digest)

    def withdrawal(self, first: SentEvent) -> SentEvent:
        event = self.event("withdrawn", first.unit, first.content_id, reason="Đăng nhầm bản nháp.")
        return self.publish(event, first.unit)

    def clash(self, first: SentEvent) -> SentEvent:
        """Another text under a revision that is taken."""
        other = {"title": "Một văn bản khác"} | words(first.content_id, "khac")
        event = self.event("submitted", first.unit, **first.event["data"] | other)
        return self.publish(event, first.unit)

    def brief(self) -> SentEvent:
        """An item whose time is soon over; one of its readers can't be reached till then."""
        end = datetime.now(UTC) + timedelta(seconds=6)
        return self.item("email", topic=BRIEF, expires_at=end.isoformat())

    def repeat(self) -> None:
        """Send what has no answer yet, one after the other; after a failure the rest waits."""
        for sent in self.unanswered():
            status = self.environment.post(sent.event, self.ground.keys[sent.unit])
            sent.accepted = status == ACCEPTED
            if not sent.accepted:
                if status and status < 500:
                    self.give_up(sent, status)
                return

    def send_on_bus(self, sent: SentEvent) -> None:
        """Send once as the unit's account does; without an answer, `repeat` takes the door."""
        body = json.dumps(sent.event).encode()
        subject = subjects.inbound(sent.unit, "submitted")
        headers = {"Content-Type": CONTENT_TYPE}

        async def send(bus: Bus) -> bool:
            await bus.publish(subject, body, msg_id=sent.event["id"], headers=headers)
            return True

        sent.accepted = self.environment.on_bus(send) is not None

    def unanswered(self) -> list[SentEvent]:
        """Events without an answer yet; a command sends the rest, not the door."""
        return [each for each in self.sent if not (each.accepted or each in self.by_command)]

    def give_up(self, sent: SentEvent, status: int) -> None:
        """Only an item whose time was over before Loa was back is refused, and is nowhere then."""
        ends = sent.event["data"].get("expires_at")
        if not ends or datetime.fromisoformat(ends) > datetime.now(UTC):
            raise CampaignFailed(f"{sent.event['id']} was answered with {status}")
        self.sent.remove(sent)

    def visitor(self, deed: str, **facts: Any) -> None:
        """A new person does something at Zalo, which tells this Loa of it."""
        if self.environment.running is None:
            return
        self.environment.zalo("webhook", {"url": f"{self.environment.running.url}/zalo/webhook"})
        user_id = self.environment.zalo("people", {})["user_id"]
        self.environment.zalo(f"people/{user_id}/{deed}", facts)

    def begin(self) -> None:
        """The next death is being prepared."""
        self.broadcast = self.short = None

    def again(self, command: list[object]) -> None:
        """Give a command again that died, at once or when Loa is back."""
        self.pending.append(command)
        if self.environment.running and not self.environment.dead:
            self.finish()

    def finish(self) -> None:
        """Carry out every errand. A unit that is there already gets a new key."""
        for command in self.pending:
            code = self.environment.run(*command)
            if command[:2] == ["units", "add"] and code == 2:
                code = self.environment.run("units", "rotate", command[2])
            if command[:2] == ["dead", "replay"] and code == 2:
                code = 0  # it was noted before the death after all
            if command[0] == "report":  # sealed now, or before the death after all
                code = self.environment.run("report", "verify", command[5])
            if code:
                raise CampaignFailed(f"{command} ended with {code}")
            if command[0] == "publish":
                self.by_command.pop(0).accepted = True
        self.pending.clear()

    def wait_accepted(self, sent: SentEvent) -> None:
        def answered() -> bool:
            self.repeat()
            return sent.accepted

        wait(answered, "an answer")

    def next_unit(self) -> str:
        """A unit that is not registered yet."""
        taken = [*self.ground.keys, *self.registered]
        self.registered.append(next(unit for unit in DEFAULT.units if unit not in taken))
        return self.registered[-1]

    def next_report(self) -> str:
        """A report that is not sealed yet."""
        self.reports += 1
        return f"bao-cao-{self.reports}"

    def spooled(self) -> None:
        """A sender keeps an event while Loa is away."""
        sent = self.item("portal")
        folder = self.environment.data / "spool"
        answer = asyncio.run(Publisher(None, UNIT, folder).publish(sent.event))
        sent.accepted = isinstance(answer, Spooled)

    def grow_old(self, content_id: str) -> None:
        """Wait for the end of an item's mails, and of a letter; retention may remove them then."""

        async def read(bus: Bus) -> LedgerSnapshot | None:
            return await read_deliveries(bus, content_id)

        known = wait(lambda: self.environment.on_bus(read), f"the mails of {content_id}")
        self.old.rows += [row for row in known.rows if row.batch not in self.old.entries]
        self.old.entries |= known.entries
        self.old.plans |= known.plans
        names = {batch.content_id for batch in self.old.entries}
        self.environment.environ[OLD_ITEMS] = " ".join(sorted(names))

    # --- looking

    def wait_at_desk(self, sent: SentEvent) -> str:
        """Wait until a draft lies on the desk; returns the hash of its text."""
        key = keys.publication_key(sent.content_id, sent.told.revision)

        async def text_hash(bus: Bus) -> str:
            draft = await find_draft(bus, sent.content_id, sent.told.revision)
            return draft.hash if draft else ""

        return wait(lambda: self.environment.bus(text_hash), f"{key} on the desk")

    def letter(self) -> int:
        """The number of an open dead letter."""

        async def first(bus: Bus) -> int:
            async for letter in DeadLetterStore(bus).letters():
                return letter.id
            return 0

        return wait(lambda: self.environment.bus(first), "a dead letter")

    def receipt(self, sent: SentEvent) -> None:
        """Zalo tells that a broadcast has arrived, where one did.

        Whose answer the fault took is not known, and a worker that was killed may have sent none.
        """
        journal = self.environment.effects()
        if not broadcast_items(replayed(journal)[1], journal)[sent.content_id]:
            return
        body = {"channel": "zalo", "content_id": sent.content_id,
                "revision": sent.told.revision, "recipient": "broadcast"}  # fmt: skip

        async def tell(bus: Bus) -> bool:
            name = f"{sent.content_id}.{sent.told.revision}"
            await publish_sealed(bus, "receipt.zalo.seen", json.dumps(body).encode(), name)
            return True

        self.environment.on_bus(tell)
