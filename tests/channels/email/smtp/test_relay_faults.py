"""A relay that refuses, hangs up, stalls or answers too late: whom the ledger says it reached.

Each test goes the whole way, from a publication on a real bus to the relay's own record.
"""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from consumers.channel_health.breaker_store import unavailable_circuits
from contracts.delivery import ChannelName, Status
from tests.support.email_pipeline import PlayOnce, check_ledger, mailboxes
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.smtp_window import BOTH
from tests.support.tcp_proxy import TcpProxy

HOUR_S, PAUSE_S, COUNT = 3600.0, 30.0, 10
BYE = b"421 4.3.2 closing the channel"
LADDER_S = (5.0, 60.0, 300.0, 1800.0, 7200.0)


class TimedRelay(SmtpReceiver):
    """A receiver that notes when each mail was tried, by the clock of *loa*."""

    def watch(self, loa):
        self.clock, self.tries = loa.clock, defaultdict(list)

    def scripted_action(self, stage, recipient):
        if stage == "end":
            self.tries[recipient].append(self.clock())
        return super().scripted_action(stage, recipient)


async def deliver_all(loa, relay):
    """Publish until the ledger and the relay agree that each reader got one copy."""
    relay.watch(loa)
    plan = await loa.plan()
    await loa.run(plan)
    assert await loa.status_counts(plan) == {Status.DELIVERED: len(loa.readers.ids)}
    assert await check_ledger(loa, relay, plan) == await loa.copies(plan) == 0


def gaps(times):
    return [round(later - at, 3) for at, later in pairwise(times)]


# ---- nobody listens ---------------------------------------------------------------------------


async def test_a_relay_that_refuses_for_an_hour_is_asked_twice_a_minute(new_email_pipeline):
    async with SmtpReceiver() as receiver, TcpProxy(receiver.port) as proxy:
        loa = new_email_pipeline(proxy.port, 60)
        plans = [await loa.plan(content_id=f"tin-{number}") for number in range(5)]
        await proxy.refuse()
        await loa.run(*plans, until=loa.clock() + HOUR_S)
        assert len(loa.dials) <= HOUR_S / PAUSE_S + 5, "however much waits"
        assert min(gaps(loa.dials[9:])) >= PAUSE_S
        assert any(reason.startswith("no connection") for reason in loa.reasons)
        assert await counted(loa, plans) == {Status.PENDING: 300}, "no attempt was spent"
        assert await unavailable_circuits(loa.bus) == {ChannelName.EMAIL}
        await proxy.accept()
        await loa.run(*plans)
        assert await counted(loa, plans) == {Status.DELIVERED: 300}
        assert await check_ledger(loa, receiver, *plans) == await loa.copies(*plans) == 0
        assert not await unavailable_circuits(loa.bus)


async def counted(loa, plans):
    return sum([Counter(await loa.status_counts(plan)) for plan in plans], Counter())


# ---- "421, closing" ---------------------------------------------------------------------------


class ScriptOnce(dict):
    """Acts of a stage, each played once, for any mail."""

    def get(self, stage, default=None):
        acts = super().get(stage)
        return acts.pop() if acts else default


OPENING = ["greeting", "EHLO", "MAIL"]
BY_READER = ["RCPT", "DATA", "end"]


@BOTH
@pytest.mark.parametrize("stage", OPENING)
async def test_421_before_any_reader_costs_half_a_minute(new_email_pipeline, stage, pipelining):
    always = ScriptOnce({stage: [BYE] * 30})
    async with TimedRelay(pipelining=pipelining, always=always) as relay:
        loa = new_email_pipeline(relay.port)
        await deliver_all(loa, relay)
    assert relay.connected == 31
    assert min(gaps(loa.dials)) >= LADDER_S[0]
    assert sum(gap >= PAUSE_S for gap in gaps(loa.dials)) >= 25


@BOTH
@pytest.mark.parametrize("stage", BY_READER)
async def test_421_to_each_reader_loses_and_declares_nobody(new_email_pipeline, stage, pipelining):
    script = PlayOnce({(stage, address): BYE for address in mailboxes(30)})
    async with TimedRelay(pipelining=pipelining, script=script) as relay:
        loa = new_email_pipeline(relay.port)
        await deliver_all(loa, relay)
    assert not script, "each was told 421 once"
    tries = 2 if stage == "end" else 1
    assert {len(times) for times in relay.tries.values()} == {tries}
    assert all(gap >= LADDER_S[0] for times in relay.tries.values() for gap in gaps(times))
    assert relay.connected <= len(loa.wakes) + len(relay.mails), "no connection for nothing"


@pytest.mark.promise("5.4")
async def test_a_relay_that_answers_all_with_421_is_tried_along_the_ladder(new_email_pipeline):
    async with TimedRelay(always={"end": BYE}) as relay:
        loa = new_email_pipeline(relay.port, 5)
        relay.watch(loa)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 2 * HOUR_S)
        assert await loa.status_counts(plan) == {Status.DEFERRED: 5}
        assert not relay.mails
    assert relay.connected <= len(loa.wakes), "one connection each time, and it ends there"
    for times in relay.tries.values():
        assert 1 < len(times) <= 1 + len(LADDER_S)
        assert all(gap >= step for gap, step in zip(gaps(times), LADDER_S, strict=False))


# ---- greylisting ------------------------------------------------------------------------------


class GreylistingRelay(TimedRelay):
    """Refuses who has not waited five minutes since the first knock."""

    words = b"451 4.7.1 Greylisting in action, come back in 00:05:00"

    def scripted_action(self, stage, recipient):
        if stage != "RCPT":
            return None
        self.tries[recipient].append(self.clock())
        waited = self.clock() - self.tries[recipient][0]
        return self.words if waited < 300 else None


@pytest.mark.parametrize(
    ("words", "tries"),
    [(GreylistingRelay.words, 2), (b"450 4.2.0 try again later", 4)],
    ids=["declared: 5 min later", "silent: 0 s, 5 s, 1 min, 5 min later"],
)
async def test_a_relay_that_greylists_gets_one_copy(new_email_pipeline, words, tries):
    async with GreylistingRelay() as relay:
        relay.words = words
        await deliver_all(new_email_pipeline(relay.port, 40), relay)
    assert {len(times) for times in relay.tries.values()} == {tries}
    if tries == 2:
        assert all(300 <= gap <= 390 for times in relay.tries.values() for gap in gaps(times))


# ---- a no for good ----------------------------------------------------------------------------

FOR_GOOD = [
    ("RCPT", b"550 5.1.1 no such user", "550 5.1.1"),
    ("RCPT", b"550 no such user here", "550 no such user"),
    ("RCPT", b"550 5.2.1 disabled", "550 5.2.1"),
    ("RCPT", b"552 5.2.2 mailbox full", "552 5.2.2"),
    ("RCPT", b"554 5.4.4 no route", "554 5.4.4"),
    ("end", b"550 5.6.11 cannot convert", "550 5.6.11"),
    ("end", b"552 5.3.4 message too big", "552 5.3.4"),
    ("end", b"554 transaction failed", "554 message refused"),
]


@pytest.mark.promise("5.4")
async def test_a_reader_refused_for_good_has_failed_and_all_others_get_it(new_email_pipeline):
    refused = dict(zip(mailboxes(120)[::3], FOR_GOOD * 5, strict=True))
    script = {(stage, address): said for address, (stage, said, _) in refused.items()}
    async with SmtpReceiver(script=script) as receiver:
        loa = new_email_pipeline(receiver.port, 120)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.FAILED: 40, Status.DELIVERED: 80}
        assert await check_ledger(loa, receiver, plan) == await loa.copies(plan) == 0
    assert len(loa.wakes) == receiver.connected == 1
    kept = {f"{reader}@example.com": why for reader, why in (await loa.why(plan)).items()}
    assert kept == {address: reason for address, (_, _, reason) in refused.items()}


@pytest.mark.promise("5.4")
@pytest.mark.parametrize(
    ("stage", "said"),
    [
        ("RCPT", b"554 5.7.1 relay access denied"),
        ("end", b"550 5.7.26 unauthenticated mail"),
        ("MAIL", b"550 5.1.8 sender rejected"),
        ("MAIL", b"530 5.7.0 sign in first"),
        ("end", b"554 looks like spam"),
    ],
)
async def test_a_refusal_about_us_fails_nobody_but_needs_help(new_email_pipeline, stage, said):
    async with SmtpReceiver(always={stage: said}) as receiver:
        loa = new_email_pipeline(receiver.port, COUNT)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + HOUR_S)
        assert await loa.status_counts(plan) == {Status.DEFERRED: COUNT}
        assert receiver.number < COUNT * HOUR_S / 300
        receiver.always.clear()
        await loa.run(plan)
        assert await loa.status_counts(plan) == {Status.DELIVERED: COUNT}
        assert await check_ledger(loa, receiver, plan) == await loa.copies(plan) == 0
