"""Random days at the ministry: events, changes and deaths in any order.

Every reader gets every item that is for them exactly once, at once or in one digest, and never a
text after a newer one was planned, or after its time.
"""

import asyncio
import math
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import pytest

from channels.base import Outcome, Verdict
from consumers.deliver import worker
from consumers.directory import digest_audience
from consumers.dispatch import planner
from consumers.ledger import cursor
from contracts import keys
from contracts.publication import Publication, StoredPublication
from contracts.subscriptions.digest import FREQUENCIES
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.digest_pipeline import DigestPipeline, later

TOPICS = ("viec-lam", "lich-nghi-le")
WISHES = ((), ("viec-lam",), ("lich-nghi-le",), (), ("viec-lam",), (), ())
STEPS = 45


@dataclass
class RandomHistory:
    """One seed's ministry."""

    pipeline: DigestPipeline
    rng: random.Random
    latest: dict[str, Publication] = field(default_factory=dict)
    waiting: list[StoredPublication] = field(default_factory=list)
    calm: bool = False

    def __post_init__(self) -> None:
        self.pipeline.recorder.answer = self.answer
        for number, topics in enumerate(WISHES):
            frequency = self.rng.choice(("immediate", *FREQUENCIES, "daily"))
            self.pipeline.directory.add(f"r{number}", topics=topics, frequency=frequency)

    def answer(self, row) -> Outcome:
        slow = not self.calm and self.rng.random() < 0.3
        return Outcome(Verdict.DEFERRED, "451") if slow else Outcome(Verdict.DELIVERED)

    async def go_on(self) -> None:
        steps = {
            self.item: 5, self.correct: 4, self.withdraw: 1, self.plan: 9,
            self.switch: 4, self.turn: 6, self.work: 4, self.wait: 4, self.at_once: 6,
        }  # fmt: skip
        [step] = self.rng.choices(list(steps), list(steps.values()))
        await step()

    async def item(self) -> None:
        name = f"tin-{len(self.latest)}"
        draw, extra = self.rng.random(), {}
        if draw < 0.15:
            extra["not_before"] = later(self.pipeline.clock, hours=self.rng.randint(1, 40))
        elif draw < 0.3:
            extra["expires_at"] = later(self.pipeline.clock, hours=self.rng.randint(5, 60))
        await self.say(name, 1, topic=self.rng.choice(TOPICS), **extra)

    async def say(self, name: str, revision: int, **changes) -> None:
        lane = "urgent" if self.rng.random() < 0.1 else "normal"
        released = await self.pipeline.release(name, revision, **{"lane": lane} | changes)
        self.latest[name] = released.publication
        self.waiting.append(released)

    async def correct(self, **changes) -> None:
        live = [text for text in self.latest.values() if text.action != "withdrawn"]
        if live:
            text = self.rng.choice(live)
            await self.say(text.content_id, text.revision + 1, topic=text.topic, **changes)

    async def withdraw(self) -> None:
        await self.correct(action="withdrawn")

    async def plan(self) -> None:
        """A publication comes to the planner, in any order; now and then it dies of it."""
        if not self.waiting:
            return
        text = self.rng.choice(self.waiting)
        if self.rng.random() < 0.3:
            await self.die(lambda bus: self.pipeline.dispatch(text, self.pipeline.new_planner(bus)))
        if await self.pipeline.dispatch(text):
            self.waiting.remove(text)

    async def turn(self) -> None:
        """The service looks; now and then it dies, or two do so at once."""
        if self.rng.random() < 0.6:
            await self.die(lambda bus: self.pipeline.run_service(self.pipeline.new_service(bus)))
        await self.pipeline.run_service()

    async def at_once(self) -> None:
        """A day's cut, and all that may come between its steps."""
        if self.rng.random() < 0.5:
            self.pipeline.clock.advance(40_000.0)
        texts = self.rng.sample(self.waiting, min(len(self.waiting), 2))
        tasks = [self.pipeline.dispatch(text) for text in texts]
        tasks += [self.pipeline.run_service(), self.work(), self.turn_elsewhere(), self.correct()]
        self.rng.shuffle(tasks)
        await asyncio.gather(*tasks)
        is_planned = self.pipeline.recorder.is_planned
        self.waiting = [text for text in self.waiting if not is_planned(text)]

    async def turn_elsewhere(self) -> None:
        await self.pipeline.run_service(self.pipeline.new_service(self.pipeline.bus))

    async def die(self, act) -> None:
        after = self.rng.random() < 0.5
        try:
            await act(crashing_bus(self.pipeline.bus, self.rng.randint(1, 40), after=after))
        except SimulatedCrash:
            return

    async def switch(self) -> None:
        id = self.rng.choice(list(self.pipeline.directory.subscribers))
        self.pipeline.directory.set_frequency(id, self.rng.choice(("immediate", *FREQUENCIES)))

    async def work(self) -> None:
        await self.pipeline.deliver()

    async def wait(self) -> None:
        self.pipeline.clock.advance(self.rng.choice((10.0, 3600.0, 30_000.0, 90_000.0)))

    async def end(self) -> None:
        """No event comes any more; a fortnight later all is out."""
        self.calm = True
        for _ in range(45):
            for text in list(self.waiting):
                if await self.pipeline.dispatch(text):
                    self.waiting.remove(text)
            await self.pipeline.run_service()
            await self.pipeline.deliver()
            self.pipeline.clock.advance(30_000.0)
        assert not self.waiting

    # --- what must hold

    def check(self, id: str) -> None:
        got = self.pipeline.recorder.items(id)
        assert max(Counter(got).values(), default=1) == 1, self.pipeline.recorder.effects[id]
        last: dict[str, int] = {}
        for mail, item, revision, correction in self.pipeline.recorder.effects[id]:
            assert revision > last.get(item, 0), "an older text behind a newer one"
            assert correction == (item in last), "a correction is for those who had the item"
            assert not (item in last and keys.is_digest(mail.split(".")[0])), "had it already"
            last[item] = revision
        self.check_threads(id)
        wished = set(self.pipeline.directory.subscribers[id].topics or TOPICS)
        for name, text in self.latest.items():
            if text.action != "withdrawn":
                assert name not in last or text.topic in wished
                owed = text.topic in wished and text.expires_at is None
                assert not owed or last.get(name) == text.revision, f"{name} is lost"
        names = [mail.split(".")[0] for mail in self.pipeline.recorder.mails(id)]
        digests = list(filter(keys.is_digest, names))
        assert len(digests) == len(set(digests)), "two mails of one digest"

    def check_threads(self, id: str) -> None:
        """A correction knows all mails that brought the item, if a digest was among them."""
        before: dict[str, list[str]] = defaultdict(list)
        for mail, item, _, _ in self.pipeline.recorder.effects[id]:
            gathered = any(keys.is_digest(older.split(".")[0]) for older in before[item])
            told = tuple(before[item]) if gathered else ()
            assert self.pipeline.recorder.previously_received[id, mail] == told, (id, mail)
            before[item].append(mail)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    """Seven readers fill several batches and pages."""
    monkeypatch.setattr(cursor, "MAX_BATCH_ROWS", 2)
    monkeypatch.setattr(planner, "MAX_BATCH_ROWS", 2)
    monkeypatch.setattr(digest_audience, "PAGE_SIZE", 3)
    monkeypatch.setattr(worker, "GIVE_UP_S", math.inf)  # weeks pass between two tries


@pytest.mark.promise("13.1")
@pytest.mark.parametrize("seed", range(8))
async def test_every_reader_gets_every_item_once_and_never_an_old_text(bus, tmp_path, seed):
    story = RandomHistory(DigestPipeline(bus, tmp_path), random.Random(seed))
    await story.pipeline.run_service()  # the first window begins
    for _ in range(STEPS):
        await story.go_on()
    await story.end()
    assert story.pipeline.recorder.outdated == []
    for id in story.pipeline.directory.subscribers:
        story.check(id)
    assert await story.pipeline.violations() == []
