"""A worker dies at any call to the bus, or at any mail: another finishes, and no copy is hidden.

"Dies" means that nothing of it reaches the bus any more: just before its n-th call, or just after.
"""

from dataclasses import dataclass

import pytest

from channels.base import Outcome, Recipient, Verdict
from consumers.deliver.worker import DeliveryWorker
from consumers.ledger import moves
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from contracts import subjects
from contracts.delivery import BatchKey, Lane, PlanKey
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.delivery_pipeline import DeliveryPipeline
from tests.support.scripted_channel import ScriptedChannel, StaticReaders, reader_ids
from tests.support.services import new_worker

READERS = 8
REFUSED, BUSY, SILENT = "r000005", "r000001", "r000003"
ROUNDS = 40
AFTER = pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
HEIRS = pytest.mark.parametrize("heir", ["another worker", "the same one, restarted"])
KNOWING = pytest.mark.parametrize("knows", [False, True], ids=["e-mail", "portal"])


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
        said = self.judge(rendered, row)
        if said.verdict in (Verdict.DELIVERED, Verdict.DOUBT):
            self.effects[rendered, row.id] += 1
        self.handed += 1
        if self.handed == self.dies_at:
            raise SimulatedCrash
        return said

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

    def new_worker_on(self, bus, folder) -> DeliveryWorker:
        return new_worker(
            bus, self.provider, self.clock, folder,
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
            await self.check_scheduled(batch, entry.wake_number)
            self.clock.advance(entry.due - self.clock())
        raise AssertionError("the batch never ended")

    async def check_scheduled(self, batch: BatchKey, wake: int) -> None:
        """Whoever leaves an open batch has left a wake-up for it."""
        waiting = await self.bus.last_message(
            subjects.DELIVER.name, subjects.scheduled(batch, wake)
        )
        assert waiting is not None, f"nobody will wake {batch}"
        assert WakeUp.model_validate_json(waiting.data).key == batch

    def successor_of(self, dead: DeliveryWorker, plan: PlanKey, how: str) -> DeliveryWorker:
        if how == "another worker":
            return self.worker
        (self.folder / "dying" / "email-0").write_text(str(BatchKey(*plan, 0)))
        return self.new_worker_on(self.bus, self.folder / "dying")

    async def check(self, plan: PlanKey, *, copies_at_most: int) -> None:
        """Everybody has it, and every copy is declared."""
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


async def dies(loa: CrashingWorkers, plan: PlanKey, bus) -> DeliveryWorker | None:
    """A worker that works on *bus* until it dies; None when it lived to the end."""
    worker = loa.new_worker_on(bus, loa.folder / "dying")
    try:
        await loa.finish(worker, plan)
    except SimulatedCrash:
        return worker
    else:
        return None
    finally:
        worker.slot.close()


@pytest.mark.promise("3.2")
@AFTER
@HEIRS
@KNOWING
async def test_a_worker_that_dies_at_any_call_is_succeeded(
    crashing_workers, bus, after, heir, knows
):
    loa = crashing_workers(knows=knows)
    for call in range(1, 100):
        plan = await loa.plan(content_id=f"tin-{call}")
        dead = await dies(loa, plan, crashing_bus(bus, call, after=after))
        if dead is None:
            assert call > 12, "every call was the last one once"
            return
        successor = loa.successor_of(dead, plan, heir)
        refused = await loa.finish(successor, plan)
        assert refused == 0 or heir == "another worker", "its own batches are taken at once"
        await loa.check(plan, copies_at_most=0 if knows else loa.provider.window + 1)
        if successor is not loa.worker:
            successor.slot.close()
    pytest.fail("the story never ended")


@HEIRS
@KNOWING
async def test_a_worker_that_dies_at_any_mail_is_succeeded(crashing_workers, bus, heir, knows):
    loa = crashing_workers(knows=knows)
    for mail in range(1, 100):
        plan = await loa.plan(content_id=f"tin-{mail}")
        loa.provider.handed, loa.provider.dies_at = 0, mail
        dead = await dies(loa, plan, bus)
        if dead is None:
            assert mail > READERS, "every mail was the last one once"
            return
        successor = loa.successor_of(dead, plan, heir)
        await loa.finish(successor, plan)
        await loa.check(plan, copies_at_most=0 if knows else loa.provider.window + 1)
        if successor is not loa.worker:
            successor.slot.close()
    pytest.fail("the story never ended")


@AFTER
async def test_a_row_of_workers_that_all_die_gets_the_work_done(crashing_workers, bus, after):
    """Each of them manages a few calls more than the one before."""
    loa = crashing_workers()
    plan = await loa.plan()
    in_doubt = [1]  # the reader whose first answer never comes
    for calls in range(4, 60):
        if await dies(loa, plan, crashing_bus(bus, calls, after=after)) is None:
            break
        in_doubt.append(len(moves.sending_rows(await loa.entry(plan))))
    assert max(in_doubt) == loa.provider.window, "somebody died with a whole window"
    await loa.check(plan, copies_at_most=sum(in_doubt))
