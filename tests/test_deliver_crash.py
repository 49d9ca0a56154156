"""A worker dies at any call to the bus, or at any mail: another finishes, and no copy is hidden.

"Dies" means that nothing of it reaches the bus any more: just before its n-th call, or just after.
"""

from dataclasses import dataclass

import pytest

from channels.base import Outcome, Recipient, Verdict
from consumers.deliver import Deliver
from consumers.ledger import moves
from consumers.ledger.store import Ledger
from consumers.library import Library
from consumers.settle import Later
from consumers.slots import Slot
from consumers.wake import Waker, WakeUp
from contracts import subjects
from contracts.delivery import BatchKey, Lane, PlanKey
from tests.crashing import Crash, doomed
from tests.delivery_house import House
from tests.fakes import People, Provider, people

READERS = 8
REFUSED, BUSY, SILENT = "r000005", "r000001", "r000003"
ROUNDS = 40
AFTER = pytest.mark.parametrize("after", [False, True], ids=["before a call", "after a call"])
HEIRS = pytest.mark.parametrize("heir", ["another worker", "the same one, restarted"])
KNOWING = pytest.mark.parametrize("knows", [False, True], ids=["e-mail", "portal"])


@dataclass
class Post(Provider):
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

    def one(self, rendered: str, row: Recipient, expired) -> Outcome:
        if expired():
            return Outcome(Verdict.UNSENT)
        said = self.judge(rendered, row)
        if said.verdict in (Verdict.DELIVERED, Verdict.DOUBT):
            self.got[rendered, row.id] += 1
        self.handed += 1
        if self.handed == self.dies_at:
            raise Crash
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
        arrived = self.got[self.asked_about, row.id]
        return Outcome(Verdict.DELIVERED if arrived else Verdict.ABSENT)


class Street(House):
    """Workers that die, and their heirs."""

    def a_worker_on(self, bus, folder) -> Deliver:
        ledger = Ledger(bus)
        library = Library(bus, ledger, self.provider.render)
        return Deliver(
            self.provider, ledger, library, self.readers, Waker(bus), self.worker.gate,
            Slot(folder, "email"), self.circuit, clock=self.clock,
        )  # fmt: skip

    async def finish(self, worker: Deliver, plan: PlanKey) -> int:
        """Wake *worker* as the queue does, until the batch is closed; how often it was refused."""
        batch, put_off = BatchKey(*plan, 0), 0
        for _ in range(ROUNDS):
            try:
                await worker.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NORMAL))
            except Later as later:
                put_off += later.why == "owned by another worker"
                self.clock.forward(later.delay_s)
                continue
            entry = await self.entry(plan)
            if entry.closed:
                return put_off
            await self.check_scheduled(batch, entry.wake)
            self.clock.forward(entry.due - self.clock())
        raise AssertionError("the batch never ended")

    async def check_scheduled(self, batch: BatchKey, wake: int) -> None:
        """Whoever leaves an open batch has left a wake-up for it."""
        waiting = await self.bus.last(subjects.DELIVER.name, subjects.scheduled(batch, wake))
        assert waiting is not None, f"nobody will wake {batch}"
        assert WakeUp.model_validate_json(waiting.data).key == batch

    def heir_of(self, dead: Deliver, plan: PlanKey, how: str) -> Deliver:
        if how == "another worker":
            return self.worker
        (self.folder / "dying" / "email-0").write_text(str(BatchKey(*plan, 0)))
        return self.a_worker_on(self.bus, self.folder / "dying")

    async def check(self, plan: PlanKey, *, copies_at_most: int) -> None:
        """Everybody has it, and every copy is declared."""
        entry = await self.entry(plan)
        text = f"{plan.content_id}.1"
        got = {id: count for (key, id), count in self.provider.got.items() if key == text}
        assert set(got) == set(people(READERS)) - {REFUSED}, "somebody was left out"
        extra = sum(got.values()) - len(got)
        assert extra <= entry.copies <= copies_at_most, "a copy that nobody declared"
        assert not entry.is_open
        assert chr(entry.rows[5]) in "xX"


@pytest.fixture
def street(bus, tmp_path):
    return lambda **kw: Street(bus, tmp_path / "own", People(people(READERS)), Post(**kw))


async def dies(loa: Street, plan: PlanKey, bus) -> Deliver | None:
    """A worker that works on *bus* until it dies; None when it lived to the end."""
    worker = loa.a_worker_on(bus, loa.folder / "dying")
    try:
        await loa.finish(worker, plan)
    except Crash:
        return worker
    else:
        return None
    finally:
        worker.slot.close()


@AFTER
@HEIRS
@KNOWING
async def test_a_worker_that_dies_at_any_call_is_succeeded(street, bus, after, heir, knows):
    loa = street(knows=knows)
    for call in range(1, 100):
        plan = await loa.plan(content_id=f"tin-{call}")
        dead = await dies(loa, plan, doomed(bus, call, after=after))
        if dead is None:
            assert call > 12, "every call was the last one once"
            return
        successor = loa.heir_of(dead, plan, heir)
        refused = await loa.finish(successor, plan)
        assert refused == 0 or heir == "another worker", "its own batches are taken at once"
        await loa.check(plan, copies_at_most=0 if knows else loa.provider.window + 1)
        if successor is not loa.worker:
            successor.slot.close()
    pytest.fail("the story never ended")


@HEIRS
@KNOWING
async def test_a_worker_that_dies_at_any_mail_is_succeeded(street, bus, heir, knows):
    loa = street(knows=knows)
    for mail in range(1, 100):
        plan = await loa.plan(content_id=f"tin-{mail}")
        loa.provider.handed, loa.provider.dies_at = 0, mail
        dead = await dies(loa, plan, bus)
        if dead is None:
            assert mail > READERS, "every mail was the last one once"
            return
        successor = loa.heir_of(dead, plan, heir)
        await loa.finish(successor, plan)
        await loa.check(plan, copies_at_most=0 if knows else loa.provider.window + 1)
        if successor is not loa.worker:
            successor.slot.close()
    pytest.fail("the story never ended")


@AFTER
async def test_a_row_of_workers_that_all_die_gets_the_work_done(street, bus, after):
    """Each of them manages a few calls more than the one before."""
    loa = street()
    plan = await loa.plan()
    in_doubt = [1]  # the reader whose first answer never comes
    for calls in range(4, 60):
        if await dies(loa, plan, doomed(bus, calls, after=after)) is None:
            break
        in_doubt.append(len(moves.on_the_wire(await loa.entry(plan))))
    assert max(in_doubt) == loa.provider.window, "somebody died with a whole window"
    await loa.check(plan, copies_at_most=sum(in_doubt))
