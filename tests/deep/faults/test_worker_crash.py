"""A worker dies at any call to the bus, or at any mail: another finishes, and no copy is hidden.

"Dies" means that nothing of it reaches the bus any more: just before its n-th call, or just after.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from channels.base import Outcome, Recipient, Verdict
from consumers.deliver.worker import DeliveryWorker
from consumers.ledger import moves
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.delivery import BatchKey, Lane, PlanKey
from tests.support.crashing_bus import SimulatedCrash, crashing_bus, dying_buses
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids
from tests.support.services import new_worker

READERS = 8
REFUSED, BUSY, SILENT = "r000005", "r000001", "r000003"
ROUNDS = 40


@dataclass
class PickyChannel(ScriptedChannel):
    """One reader is refused, one deferred at first, one taken without an answer.

    `knows`: it can be asked whether something arrived. It may die with its worker at a mail.
    """

    window: int = 3
    knows: bool = False
    dies_at: int = 0
    handed: int = 0

    def __post_init__(self) -> None:
        self.tried: set[tuple[str, str]] = set()
        self.known = self.look if self.knows else self.known

    def answer_row(self, rendered: str, row: Recipient, expired) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT)
        outcome = self.judge(rendered, row)
        if outcome.verdict in (Verdict.DELIVERED, Verdict.DOUBT):
            self.effects[rendered, row.id] += 1
        self.handed += 1
        if self.handed == self.dies_at:
            raise SimulatedCrash
        return outcome

    def judge(self, rendered: str, row: Recipient) -> Outcome:
        first = (rendered, row.id) not in self.tried
        self.tried.add((rendered, row.id))
        if row.id == REFUSED:
            return Outcome(Verdict.FAILED, "550 5.1.1")
        if row.id == BUSY and first:
            return Outcome(Verdict.DEFERRED, "451 4.7.1", 90)
        return Outcome(Verdict.DOUBT if row.id == SILENT and first else Verdict.DELIVERED)

    async def resolve(self, rendered: str, rows) -> list[Outcome]:
        self.asked_about = rendered
        return await super().resolve(rendered, rows)

    def look(self, row: Recipient) -> Outcome:
        arrived = self.effects[self.asked_about, row.id]
        return Outcome(Verdict.DELIVERED if arrived else Verdict.ABSENT)


class CrashingWorkers(DeliveryPipeline):
    """Workers that die, and their heirs."""

    def new_worker_on(self, bus) -> DeliveryWorker:
        return new_worker(
            bus, self.provider, self.clock, self.folder / "dying",
            contact_lookup=self.readers, semaphore=self.worker.semaphore,
            breaker_store=self.worker.breaker_store,
        )  # fmt: skip

    async def finish(self, worker: DeliveryWorker, plan: PlanKey) -> int:
        """Wake *worker* as the queue does, until the batch is closed; how often it was refused."""
        batch, put_off = BatchKey(*plan, 0), 0
        for _ in range(ROUNDS):
            try:
                await worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NORMAL))
            except RetryLater as later:
                put_off += later.reason == "owned by another worker"
                self.clock.advance(later.delay_s)
                continue
            entry = await self.entry(plan)
            if entry.closed_at:
                return put_off
            scheduled = subjects.scheduled(batch, entry.wake_number)
            waiting = await self.bus.last_message(subjects.DELIVER.name, scheduled)
            assert waiting is not None, f"nothing will wake {batch}"
            assert WakeUp.model_validate_json(waiting.data).key == batch
            self.clock.advance(entry.due - self.clock())
        raise AssertionError("the batch never ended")

    async def finish_as(self, heir: str, plan: PlanKey) -> int:
        """Let another worker finish, or one that finds the dead one's slot."""
        if heir == "another worker":
            return await self.finish(self.worker, plan)
        (self.folder / "dying" / "email-0").write_text(str(BatchKey(*plan, 0)))
        restarted = self.new_worker_on(self.bus)
        try:
            return await self.finish(restarted, plan)
        finally:
            restarted.slot.close()

    async def check(self, plan: PlanKey, *, copies_at_most: int) -> None:
        """Every reader has it, and every copy is declared."""
        entry = await self.entry(plan)
        text = f"{plan.content_id}.1"
        got = {id: count for (key, id), count in self.provider.effects.items() if key == text}
        assert set(got) == set(reader_ids(READERS)) - {REFUSED}, "somebody was left out"
        extra = sum(got.values()) - len(got)
        assert extra <= entry.possible_copies <= copies_at_most, "a copy that nobody declared"
        assert not entry.is_open
        assert chr(entry.rows[5]) in "xX"


@pytest.fixture
def crashing_workers(bus, tmp_path):
    return lambda **kw: CrashingWorkers(
        bus, tmp_path / "own", StaticReaders(reader_ids(READERS)), PickyChannel(**kw)
    )


async def dies(loa: CrashingWorkers, plan: PlanKey, bus) -> bool:
    """Let a worker work on *bus* until it dies, or until all is done."""
    worker = loa.new_worker_on(bus)
    try:
        await loa.finish(worker, plan)
    except SimulatedCrash:
        return True
    finally:
        worker.slot.close()
    return False


def deaths(loa: CrashingWorkers, how: str) -> Iterator[Any]:
    """Buses on which a worker dies at its first, second, ... call or mail; on the last it lives."""
    if how != "at a mail":
        yield from dying_buses(loa.bus, after=how == "after a call", fewest=12)
        return
    for mail in range(1, READERS + 9):
        loa.provider.handed, loa.provider.dies_at = 0, mail
        yield loa.bus
        if loa.provider.handed < mail:
            assert mail > READERS, "every mail was the last one once"
            return
    pytest.fail("the story never ended")


@pytest.mark.promise("3.2")
@pytest.mark.parametrize("how", ["before a call", "after a call", "at a mail"])
@pytest.mark.parametrize("heir", ["another worker", "the same one, restarted"])
@pytest.mark.parametrize("knows", [False, True], ids=["e-mail", "portal"])
async def test_a_worker_that_dies_anywhere_is_succeeded(crashing_workers, how, heir, knows):
    loa = crashing_workers(knows=knows)
    for number, bus in enumerate(deaths(loa, how)):
        plan = await loa.plan(content_id=f"tin-{number}")
        if await dies(loa, plan, bus):
            refused = await loa.finish_as(heir, plan)
            assert refused == 0 or heir == "another worker", "its own batches are taken at once"
        await loa.check(plan, copies_at_most=0 if knows else loa.provider.window + 1)


@pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
async def test_a_row_of_workers_that_all_die_gets_the_work_done(crashing_workers, bus, after):
    """Each of them manages a few calls more than the one before."""
    loa = crashing_workers()
    plan = await loa.plan()
    in_doubt = [1]  # the reader whose first answer never comes
    for calls in range(4, 60):
        if not await dies(loa, plan, crashing_bus(bus, calls, after=after)):
            break
        in_doubt.append(len(moves.sending_rows(await loa.entry(plan))))
    assert max(in_doubt) == loa.provider.window, "somebody died with a whole window"
    await loa.check(plan, copies_at_most=sum(in_doubt))
