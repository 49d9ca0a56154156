"""What senders, clerks and operators do around the kills, and what they were told about it.

Everybody is stubborn: what got no answer is said again, after every restart, until it has one.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

from consumers.dead_letters import DeadLetterStore
from contracts import keys, subjects
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.publisher import Publisher, Spooled
from tests.deep.crash.environment import CampaignFailed, Environment
from tests.deep.crash.ledger_oracle import AcceptedEvent
from tests.deep.crash.participants import BRIEF, GATHERED, READERS, TOPIC, UNIT, SentEvent, body
from tests.deep.crash.received_mail import mark
from tests.deep.crash.setup import Setup
from tests.deep.crash.waiting import wait
from tests.deep.crash.zalo_check import broadcast_items, replayed

ACCEPTED = 202


@dataclass
class Workload:
    """The stubborn people around one Loa."""

    stage: Environment
    rng: random.Random
    ground: Setup = field(init=False)
    said: list[SentEvent] = field(default_factory=list)
    pending: list[tuple[object, ...]] = field(default_factory=list)  # commands not done yet
    by_command: list[SentEvent] = field(default_factory=list)
    registered: list[str] = field(default_factory=list)
    number: int = 0
    broadcast: SentEvent | None = None
    short: SentEvent | None = None
    asked: int = 0
    answers_lost: int = 0  # of Zalo's

    def __post_init__(self) -> None:
        self.ground = Setup(self.stage)

    @property
    def is_told(self) -> list[AcceptedEvent]:
        return [one.is_told for one in self.said if one.accepted]

    # --- saying things

    def event(self, kind: str, unit: str, content_id: str, **data: Any) -> dict[str, Any]:
        self.number += 1
        said = sample(kind)
        said["data"] = {
            name: said["data"][name] for name in ("topic", "body") if name in said["data"]
        }
        said["data"] |= {"content_id": content_id, **data}
        return said | {
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
        told = AcceptedEvent(
            keys.event_id(unit, event["source"], event["id"]),
            data["content_id"], data.get("revision", 0), readers,
            data.get("title", ""), data.get("body", ""), gathered,
        )  # fmt: skip
        said = SentEvent(event, unit, told)
        self.said.append(said)
        return said

    def item(self, *names: str, topic: str = TOPIC, unit: str = UNIT, **data: Any) -> SentEvent:
        """A new item on some channels."""
        content_id = f"tin-{self.number + 1}"
        event = self.event(
            "submitted", unit, content_id, revision=1, topic=topic,
            title=f"Tin {content_id}, lần 1", channels=list(names),
            body=body(content_id, 1), summary=mark(content_id, 1), **data,
        )  # fmt: skip
        if "email" not in names:
            return self.publish(event, unit)
        gathered = frozenset(chain(*GATHERED.values())) if topic == TOPIC else frozenset()
        return self.publish(event, unit, frozenset(READERS.get(topic, ())), gathered)

    def case(self, **contact: str) -> SentEvent:
        """A step of somebody's dossier, told by phone on Zalo, else by mail."""
        self.number += 1
        code = f"G09.20-20260609-{self.number:07d}"
        where = contact or {"email": f"ho-so-{self.number}@example.com"}
        event = sample("updated", case_code=code, contact={**where, "consent": True})
        event |= {"id": f"{code}-{self.number}", "source": f"/units/{UNIT}"}
        told = AcceptedEvent(
            keys.event_id(UNIT, event["source"], event["id"]), keys.case_content_id(code), 0
        )
        said = SentEvent(event, UNIT, told)
        self.said.append(said)
        return said

    def zalo_case(self) -> SentEvent:
        """As `case`, for somebody with a phone; half of them could be told by mail as well."""
        number = self.number + 1
        mail = {"email": f"ho-so-{number}@example.com"} if self.rng.random() < 0.5 else {}
        return self.case(phone=f"8491{number:07d}", **mail)

    def correction(self, said: SentEvent) -> SentEvent:
        """The next revision of an item."""
        revision = said.is_told.revision + 1
        title = f"Tin {said.content_id}, lần {revision}"
        data = said.event["data"] | {
            "revision": revision, "title": title, "corrects_revision": said.is_told.revision,
            "body": body(said.content_id, revision), "summary": mark(said.content_id, revision),
        }  # fmt: skip
        event = self.event("corrected", said.unit, **data)
        return self.publish(event, said.unit, said.is_told.readers, said.is_told.for_digest)

    def withdrawal(self, said: SentEvent) -> SentEvent:
        event = self.event("withdrawn", said.unit, said.content_id, reason="Đăng nhầm bản nháp.")
        event["data"].pop("topic", None)
        event["data"].pop("body", None)
        return self.publish(event, said.unit)

    def clash(self, said: SentEvent) -> SentEvent:
        """Another text under a revision that is taken."""
        other = {"body": body(said.content_id, "khac"), "summary": mark(said.content_id, "khac")}
        data = said.event["data"] | {"title": "Một văn bản khác"} | other
        event = self.event("submitted", said.unit, **data)
        return self.publish(event, said.unit)

    def brief(self) -> SentEvent:
        """An item whose time is soon over; one of its readers can't be reached till then."""
        end = datetime.now(UTC) + timedelta(seconds=6)
        return self.item("email", topic=BRIEF, expires_at=end.isoformat())

    def repeat(self) -> None:
        """Send what has no answer yet, an item's events one after the other."""
        waiting: set[str] = set()
        for one in self.said:
            if one.accepted or one.content_id in waiting or one in self.by_command:
                continue
            status = self.stage.post(one.event, self.ground.keys[one.unit])
            one.accepted = status == ACCEPTED
            if not one.accepted:
                waiting.add(one.content_id)
                if status and status < 500:
                    self.give_up(one, status)
                return

    def give_up(self, said: SentEvent, status: int) -> None:
        """Only an item whose time was over before Loa was back is refused, and is nowhere then."""
        ends = said.event["data"].get("expires_at")
        if not ends or datetime.fromisoformat(ends) > datetime.now(UTC):
            raise CampaignFailed(f"{said.event['id']} was answered with {status}")
        self.said.remove(said)

    def visitor(self, deed: str, **facts: Any) -> None:
        """Somebody whom nobody knew yet does something at Zalo, which tells this Loa of it."""
        if self.stage.told is None:
            return
        self.stage.zalo("webhook", {"url": f"{self.stage.told.url}/zalo/webhook"})
        user_id = self.stage.zalo("people", {})["user_id"]
        self.stage.zalo(f"people/{user_id}/{deed}", facts)

    def begin(self) -> None:
        """The next death is being prepared."""
        self.broadcast = self.short = None

    @property
    def waiting(self) -> bool:
        """Whether somebody still waits for an answer."""
        return any(not one.accepted for one in self.said if one not in self.by_command)

    def leave_to_command(self, one: SentEvent) -> None:
        """`loa publish` sends it, not the door."""
        self.by_command.append(one)

    def again(self, command: list[object]) -> None:
        """Give a command again that died, at once or when Loa is back."""
        self.pending.append(command)
        if self.stage.told and not self.stage.dead:
            self.finish()

    def finish(self) -> None:
        """Carry out every errand. A unit that is there already gets a new key."""
        for command in self.pending:
            code = self.stage.run(*command)
            if command[:2] == ["units", "add"] and code == 2:
                code = self.stage.run("units", "rotate", command[2])
            if command[:2] == ["dead", "replay"] and code == 2:
                code = 0  # it was noted before the death after all
            if code:
                raise CampaignFailed(f"{command} ended with {code}")
            if command[0] == "publish":
                self.by_command.pop(0).accepted = True
        self.pending.clear()

    def wait_accepted(self, said: SentEvent) -> None:
        def answered() -> bool:
            self.repeat()
            return said.accepted

        wait(answered, "an answer")

    def written(self, said: SentEvent) -> bytes:
        return json.dumps(said.event, ensure_ascii=False).encode()

    def next_unit(self) -> str:
        """A unit that is not registered yet."""
        known = [*self.ground.keys, *self.registered]
        self.registered.append(next(unit for unit in DEFAULT.units if unit not in known))
        return self.registered[-1]

    def spooled(self) -> None:
        """A sender keeps an event while Loa is away."""
        said = self.item("portal")
        folder = self.stage.data / "spool"
        answer = asyncio.run(Publisher(None, UNIT, folder).publish(said.event))
        said.accepted = isinstance(answer, Spooled)

    # --- looking

    def at_desk(self, said: SentEvent) -> bool:
        """Wait until a draft lies on the desk."""
        key = keys.publication_key(said.content_id, said.is_told.revision)

        async def lies(bus: Bus) -> bool:
            return await bus.bucket(subjects.DESK.name).get(key) is not None

        return wait(lambda: self.stage.bus(lies), f"{key} on the desk")

    def letter(self) -> int:
        """The number of a letter that nobody has dealt with."""

        async def first(bus: Bus) -> int:
            async for letter in DeadLetterStore(bus).letters():
                return letter.id
            return 0

        return wait(lambda: self.stage.bus(first), "a dead letter")

    def receipt(self, said: SentEvent) -> None:
        """Zalo tells that a broadcast has arrived, where one did.

        Whose answer the fault took is not known, and a worker that was killed may have sent none.
        """
        journal = self.stage.effects()
        if not broadcast_items(replayed(journal)[1], journal)[said.content_id]:
            return
        body = {"channel": "zalo", "content_id": said.content_id,
                "revision": said.is_told.revision, "recipient": "broadcast"}  # fmt: skip

        async def tell(bus: Bus) -> bool:
            await bus.publish("receipt.zalo.seen", json.dumps(body).encode())
            return True

        self.stage.on_bus(tell)


Nudge = Callable[[Workload], None]
