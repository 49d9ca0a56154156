"""A thousand random trials of six units, and two kills: mails to guests, and nothing else."""

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest

from contracts import subjects
from contracts.vocabulary import DEFAULT
from tests.support.gateway_client import sample_event
from tests.support.loa_bus import bus_of
from tests.support.loa_process import LoaProcess, wait_until

pytestmark = pytest.mark.timeout(900)
UNITS = [unit for unit in DEFAULT.units if DEFAULT.knows("unit", unit)][:6]
EVENTS, ITEMS, KILLS_AT, SEED = 1000, 8, (350, 700), 20
WORD = "maythu"
"""In every text of a trial, and nowhere else."""
PATIENCE_S = 400
WITHOUT_TRIALS = (
    *(subjects.CONTENT, subjects.PUBLICATIONS, subjects.EDITORIAL, subjects.FACTS),
    *(subjects.RECEIPTS, subjects.DEAD, subjects.UPLOADS),
)
BUCKETS_WITHOUT = (subjects.EVENTS, subjects.PUBLISHED, subjects.SUBSCRIBERS, subjects.DIGESTS)


@dataclass
class ItemHistory:
    """The trials of one item, by the rules that the documents state."""

    latest: int = 0
    is_known: bool = False
    is_out: bool = False

    def take(self, kind: str, revision: int) -> bool:
        """Take an event in; whether its mail goes to the guest."""
        if kind == "withdrawn":
            was_out, self.is_out = self.is_out, False
            self.latest += self.is_known
            return was_out
        if revision <= self.latest or (kind == "corrected" and not self.is_known):
            return False
        self.latest, self.is_known, self.is_out = revision, True, True
        return True


@dataclass
class RandomUnit:
    """A unit's system that sends anything; `mails`: how many its guest is to get."""

    unit: str
    key: str
    dice: random.Random
    items: dict[str, ItemHistory] = field(default_factory=lambda: defaultdict(ItemHistory))
    sent: list[dict] = field(default_factory=list)
    mails: int = 0

    @property
    def guest(self) -> str:
        return f"khach@{self.unit}.example"

    def next(self, number: int) -> tuple[object, int]:
        """An event, and the status that the door has to answer."""
        choice = self.dice.random()
        if choice < 0.05 and self.sent:
            return self.dice.choice(self.sent), 202
        if choice < 0.08 and self.sent:
            known = self.dice.choice(self.sent)
            other = {"data": known["data"] | {"content_id": "khac"}, "subject": "khac"}
            return known | other, 409
        event = self.good(number)
        if choice < 0.3:
            return self.dice.choice(self.broken(event))
        self.sent.append(event)
        kind, data = event["type"].split(".")[-2], event["data"]
        self.mails += self.items[data["content_id"]].take(kind, data.get("revision", 0))
        return event, 202

    def good(self, number: int) -> dict:
        item = f"tin-{self.dice.randrange(ITEMS)}"
        kind = self.dice.choices(("submitted", "corrected", "withdrawn"), (5, 3, 2))[0]
        data = {"content_id": item, "reason": f"{WORD} {number}"}
        if kind != "withdrawn":
            revision = max(1, self.items[item].latest + self.dice.randint(-1, 2))
            data = {"content_id": item, "revision": revision, "title": f"{WORD} {number}"}
        if kind == "corrected":
            data["revision"] = max(2, data["revision"])
            data |= {"corrects_revision": data["revision"] - 1, "reason": WORD}
        event = sample_event(kind, id=f"e-{number}", **data)
        return event | {"source": f"/units/{self.unit}"}

    def broken(self, event: dict) -> list[tuple[object, int]]:
        other = next(unit for unit in UNITS if unit != self.unit)
        return [
            (b'{"specversion": "1.0"', 400),
            (event | {"source": f"/units/{other}"}, 403),
            (event | {"data": event["data"] | {"titel": WORD}}, 422),
            (event | {"data": event["data"] | {"content_id": "Tin Hỏng"}}, 422),
            (event | {"type": "vn.gov.moha.content.thu.v1"}, 422),
        ]


@pytest.fixture
def loa(tmp_path, relay):
    """A Loa with readers and one item in earnest, which they have."""
    with LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit(UNITS[0])
        loa.readers(3)
        event = sample_event(id="that", content_id="tin-that")
        answer = loa.post(event | {"source": f"/units/{UNITS[0]}"})
        assert answer.status == 202, answer
        loa.trace_when_complete("tin-that")
        yield loa


@pytest.mark.promise("16.1")
def test_a_thousand_trials_reach_the_guests_once_and_leave_nothing_else_anywhere(loa, relay):
    before, pages = asyncio.run(counts(loa)), files(loa)
    effects, mailed = loa.zalo_effects(), len(relay.accepted_mails())
    units = [registered(loa, unit, number) for number, unit in enumerate(UNITS)]
    dice = random.Random(SEED)
    for number in range(EVENTS):
        sender = dice.choice(units)
        event, status = sender.next(number)
        answer = loa.post(event, Authorization=f"Bearer {sender.key}")
        assert answer.status == status and answer.body["trial"] is True, (number, event, answer)
        if number in KILLS_AT:
            loa.kill()  # the last trial is stored, and its mail is not sent
            loa.start()
    expected = {one.guest: one.mails for one in units}
    assert min(expected.values()) > 20, "every unit has tried"
    wait_until(lambda: arrived(relay, mailed) == expected, "the guests' mails", PATIENCE_S)
    assert asyncio.run(counts(loa)) == before
    assert files(loa) == pages
    assert loa.zalo_effects() == effects
    assert loa.violations() == []


def registered(loa, unit: str, number: int) -> RandomUnit:
    if number:
        loa.add_unit(unit)
    key = loa.cli("units", "trial-key", unit, "--json").json["api_key"]
    sender = RandomUnit(unit, key, random.Random(SEED + number))
    assert loa.cli("units", "guest", unit, sender.guest).exit_code == 0
    return sender


def arrived(relay, mailed: int) -> dict[str, int]:
    """The mails to each address, by Message-ID: a kill may make a copy of one."""
    return dict(Counter(address for address, _ in {*relay.accepted_mails()[mailed:]}))


async def counts(loa) -> dict[str, int]:
    """Messages and keys where no trial may be; a day may have passed among facts."""
    async with bus_of(loa) as bus:
        found = {}
        for stream in WITHOUT_TRIALS:
            held = [one async for one in bus.scan(stream.name)]
            assert not any(WORD.encode() in one.data for one in held), stream.name
            if stream is not subjects.FACTS:
                found[stream.name] = len(held)
        for bucket in BUCKETS_WITHOUT:
            found[bucket.name] = len([key async for key, _ in bus.bucket(bucket.name).values()])
        return found


def files(loa) -> list[str]:
    """The portal's pages and feeds of items; no public file has a word of a trial."""
    folder = loa.data / "portal" / "public"
    found = {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    assert not any(WORD.encode() in data for data in found.values())
    names = [path.relative_to(folder).as_posix() for path in found]
    return [name for name in names if name.startswith(("tin/", "nguon-tin/"))]
