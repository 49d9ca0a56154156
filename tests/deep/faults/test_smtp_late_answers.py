"""A relay that takes a mail and does not say so, says so too late, or only ever so slowly."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest

from consumers.deliver import worker as delivering
from consumers.ledger.wakeups import WakeUp
from consumers.runtime.errors import RetryLater
from contracts.delivery import BatchKey, Lane, Status
from tests.support.email_pipeline import PlayOnce, check_ledger, mailboxes
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import BOTH
from tests.support.tcp_proxy import TcpProxy
from tests.support.waiting import until

END = b"\r\n.\r\n"


def patient(loa):
    """Let no busy machine use up the time that an answer has."""
    loa.provider.pool.request_timeout_s = loa.provider.pool.end_timeout_s = 100.0
    return loa


async def several(loa, items):
    """Plans of as many items, each for all readers."""
    return [await loa.plan(content_id=f"tin-{number}") for number in range(items)]


# ---- accepted, and nobody was told ------------------------------------------------------------


@pytest.mark.promise("5.3")
@BOTH
async def test_accepted_then_cut_every_copy_too_many_is_declared_under_the_same_name(
    new_email_pipeline, pipelining
):
    script = PlayOnce({("end", mailbox): ScriptedAction.RECORD_CUT for mailbox in mailboxes(300)})
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        loa = new_email_pipeline(receiver.port, 300)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 300}
        assert await check_ledger(loa, receiver, plan) == await loa.copies(plan) == 300
    assert len(receiver.mails) == 600
    assert len({mail.message_id for mail in receiver.mails}) == 300


async def test_a_relay_that_never_answers_again_is_asked_ever_more_seldom(new_email_pipeline):
    """Every mail arrives and is cut: each reader gets a few copies over days, all declared."""
    async with SmtpReceiver(always={"end": ScriptedAction.RECORD_CUT}) as receiver:
        loa = new_email_pipeline(receiver.port, 3)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 24 * 3600)
        assert await loa.status_counts(plan) == {Status.IN_DOUBT: 3}
        assert len(receiver.mails) == 3 * 9, "along the ladder"
        assert len(receiver.mails) - 3 == await loa.copies(plan)
        receiver.always.clear()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: 3}
        await check_ledger(loa, receiver, plan)


# ---- the answer comes after our time-out ------------------------------------------------------


CASES = 50
TIMEOUT_S = 0.4


class DelayedPieces:
    """Holds back pieces that contain *words*, each as long as the next of *waits* says."""

    def __init__(self, way, words, waits):
        self.way, self.words, self.waits = way, words, iter(waits)
        self.held = 0
        way.rewrite = self

    def __call__(self, data):
        wait = next(self.waits, 0.0) if self.words in data else 0.0
        self.held += wait > 0
        self.way.latency_s = wait
        return data


@pytest.mark.promise("5.3")
async def test_a_mail_that_lands_after_our_time_out_is_declared(new_email_pipeline):
    async with SmtpReceiver() as receiver, TcpProxy(receiver.port) as proxy:
        loa = new_email_pipeline(proxy.port, 1, timeout_s=TIMEOUT_S, connections=CASES)
        plans = await several(loa, CASES)
        late = DelayedPieces(proxy.up, END, [2 * TIMEOUT_S] * CASES)
        await loa.run(*plans)
        assert late.held == CASES
        await until(lambda: len(receiver.mails) >= 2 * CASES)
        assert [await loa.status_counts(plan) for plan in plans] == [{Status.DELIVERED: 1}] * CASES
        assert CASES <= await check_ledger(loa, receiver, *plans) <= await loa.copies(*plans)


# ---- ever so slowly ---------------------------------------------------------------------------


@pytest.mark.promise("5.5")
async def test_a_tarpit_holds_up_the_windows_it_holds_and_no_others(new_email_pipeline):
    """Four of ten connections answer a byte every two seconds; 16 of 20 items do not notice."""
    slow, connections, items = 4, 10, 20
    async with SmtpReceiver() as receiver, TcpProxy(receiver.port) as proxy:
        loa = patient(new_email_pipeline(proxy.port, 25, timeout_s=15.0, connections=connections))
        warm = await several(loa, connections)
        await loa.run(*warm)
        assert proxy.connected == connections
        proxy.down.rate, proxy.down.slice, proxy.down.only = 0.5, 1, frozenset(range(slow))
        plans = [await loa.plan(content_id=f"sau-{number}") for number in range(items)]
        visits = {asyncio.create_task(loa.wake(BatchKey(*plan, 0))) for plan in plans}
        while len(visits) > slow:
            done, visits = await asyncio.wait(visits, return_when=asyncio.FIRST_COMPLETED)
            assert {task.result() for task in done} == {None}, "closed, with everybody reached"
        assert len(receiver.mails) == 25 * (connections + items - slow)
        assert not any(task.done() for task in visits), "these still wait"
        await proxy.refuse()
        proxy.cut()
        again = await asyncio.gather(*visits)
        assert all(at is not None for at in again), "given up for now"
        proxy.reset_faults()
        await proxy.accept()
        await loa.run(*plans)
        assert await check_ledger(loa, receiver, *warm, *plans) == 0
        assert await loa.copies(*plans) == 0, "not even a body had left"


@asynccontextmanager
async def in_real_time(clock):
    """The house's clock goes as fast as ours."""
    ticking = asyncio.create_task(tick(clock))
    yield
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking


async def tick(clock):
    loop = asyncio.get_running_loop()
    ahead = clock.now - loop.time()
    while True:
        clock.now = loop.time() + ahead
        await asyncio.sleep(0.005)


async def test_a_window_slower_than_its_lease_keeps_it_and_has_one_owner(
    new_email_pipeline, monkeypatch
):
    """Each answer takes 0.25 s, so that 25 mails outlast a lease of 5 s; another worker waits."""
    monkeypatch.setattr(delivering, "CLOCK_SKEW_S", 0.0)
    async with SmtpReceiver() as receiver, TcpProxy(receiver.port) as proxy:
        loa = patient(new_email_pipeline(proxy.port, 25, timeout_s=1.5))
        loa.worker.lease_s = 5.0
        plan = await loa.plan()
        batch = BatchKey(*plan, 0)
        other = loa.new_worker()
        proxy.down.latency_s = 0.25
        async with in_real_time(loa.clock):
            working = asyncio.create_task(loa.wake(batch))
            await until(lambda: receiver.mails)
            refusals = [why async for why in knocking(other, batch, working)]
        assert working.result() is None, "one visit was enough: the batch is closed"
        assert set(refusals) == {"owned by another worker"}
        assert await loa.status_counts(plan) == {Status.DELIVERED: 25}
        assert await check_ledger(loa, receiver, plan) == await loa.copies(plan) == 0


async def knocking(other, batch, working):
    """Why *other* may not have *batch*, asked for as long as another is *working* on it."""
    while not working.done():
        try:
            await other.on_wake_up(WakeUp(batch=str(batch), lane=Lane.NORMAL))
        except RetryLater as later:
            if not working.done():
                yield later.reason
        await asyncio.sleep(0.02)


# ---- a stop in the middle ---------------------------------------------------------------------


@pytest.mark.promise("5.5")
@BOTH
@pytest.mark.parametrize(
    "act", [ScriptedAction.SWALLOW, ScriptedAction.RECORD_SWALLOW], ids=["lost", "taken"]
)
async def test_a_stop_with_a_silent_relay_leaves_one_row_in_doubt_and_not_the_window(
    new_email_pipeline, monkeypatch, pipelining, act
):
    """Three mails are answered, the fourth is not, and 21 never left."""
    monkeypatch.setattr(delivering, "STOP_GRACE_S", 0.05)
    script = {("end", 3): act}
    async with SmtpReceiver(pipelining=pipelining, script=script) as receiver:
        loa = new_email_pipeline(receiver.port, 25, timeout_s=30.0)
        plan = await loa.plan()
        working = asyncio.create_task(loa.wake(BatchKey(*plan, 0)))
        await silent(receiver)
        loa.worker.stop()
        async with asyncio.timeout(25):
            await working
        letters = "".join((await loa.rows(plan)).values())
        assert letters == "ddd" + "P" + "p" * 21
        assert not (await loa.entry(plan)).owner, "whoever starts next need not wait"
        loa.worker = loa.new_worker()
        await loa.run(plan)
        copies = await check_ledger(loa, receiver, plan)
        assert (copies, await loa.copies(plan)) == (act is ScriptedAction.RECORD_SWALLOW, 1)
    assert len(loa.wakes) == 2, "the relay is not blamed for it: no pause"


async def test_a_stop_while_the_relay_does_not_let_us_in_again_leaves_nobody_in_doubt(
    new_email_pipeline, monkeypatch
):
    """It hangs up after two mails and accepts no further connection: 23 rows surely never left."""
    monkeypatch.setattr(delivering, "STOP_GRACE_S", 0.05)
    async with SmtpReceiver(script={("end", 1): ScriptedAction.LAST}) as receiver:
        loa = new_email_pipeline(receiver.port, 25, timeout_s=30.0)
        plan = await loa.plan()
        async with loa.provider.session():
            receiver.always["greeting"] = ScriptedAction.SWALLOW
        working = asyncio.create_task(loa.wake(BatchKey(*plan, 0)))
        await silent(receiver)
        loa.worker.stop()
        async with asyncio.timeout(25):
            await working
        assert "".join((await loa.rows(plan)).values()) == "dd" + "p" * 23
        receiver.always.clear()
        loa.worker = loa.new_worker()
        await loa.run(plan)
        assert await check_ledger(loa, receiver, plan) == await loa.copies(plan) == 0


async def silent(receiver):
    await until(lambda: any(conversation.silent for conversation in receiver.open))
