"""A relay that refuses, hangs up, stalls or answers too late: whom the ledger says it reached.

Each test goes the whole way, from a publication on a real bus to the relay's own record.
"""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from channels.portal.channel import PortalChannel
from consumers.addresses import Places
from consumers.audience import Portal
from consumers.circuit import Circuit, tripped
from consumers.deliver import Deliver
from consumers.dispatch import Dispatch
from consumers.lanes import Gate
from consumers.library import Library
from consumers.slots import Slot
from consumers.wake import WakeUp
from contracts.delivery import BatchKey, ChannelName, Lane, Status
from tests.builders import a_publication
from tests.fakes import people
from tests.mail_house import MailHouse, Once, check_books
from tests.portal_folder import PUBLIC_URL, WORDS
from tests.proxy import Proxy
from tests.smtp_receiver import Receiver

HOUR_S, PAUSE_S = 3600.0, 30.0
BYE = b"421 4.3.2 closing the channel"
LADDER_S = (5.0, 60.0, 300.0, 1800.0, 7200.0)


@pytest.fixture
def house(bus, tmp_path):
    return lambda port, count=30, **changes: MailHouse(bus, tmp_path, count, port, **changes)


class Relay(Receiver):
    """A receiver that notes when each mail was tried, by the clock of *loa*."""

    def watch(self, loa):
        self.clock, self.tries = loa.clock, defaultdict(list)

    def act(self, stage, recipient):
        if stage == "end":
            self.tries[recipient].append(self.clock())
        return super().act(stage, recipient)


def gaps(times):
    return [round(later - at, 3) for at, later in pairwise(times)]


def mailboxes(count):
    return [f"{one}@example.com" for one in people(count)]


# ---- nobody listens ---------------------------------------------------------------------------


async def test_a_relay_that_refuses_for_an_hour_is_asked_twice_a_minute_and_gets_all_then(house):
    async with Receiver() as receiver, Proxy(receiver.port) as proxy:
        loa = house(proxy.port, 60)
        plans = [await loa.plan(content_id=f"tin-{number}") for number in range(5)]
        proxy.refuse()
        await loa.run(*plans, until=loa.clock() + HOUR_S)
        assert len(loa.opened) <= HOUR_S / PAUSE_S + 5, "however much waits"
        assert min(gaps(loa.opened[9:])) >= PAUSE_S
        assert any(reason.startswith("no connection") for reason in loa.reasons)
        assert await counted(loa, plans) == {Status.PENDING: 300}, "no attempt was spent"
        assert await tripped(loa.bus) == {ChannelName.EMAIL}
        await proxy.accept()
        await loa.run(*plans)
        assert await counted(loa, plans) == {Status.DELIVERED: 300}
        assert await check_books(loa, receiver, *plans) == await loa.copies(*plans) == 0
        assert not await tripped(loa.bus)


async def counted(loa, plans):
    return sum([Counter(await loa.counts(plan)) for plan in plans], Counter())


async def test_while_the_relay_refuses_the_portal_shows_the_item(house, bus, tmp_path):
    async with Receiver() as receiver:
        pass
    loa = house(receiver.port, 3)
    released = await loa.publish(a_publication())
    await loa.planner.on_publication(released)
    planner, worker = portal(loa, tmp_path)
    await planner.on_publication(released)
    email, shown = (
        BatchKey(channel, released.publication.content_id, 1, 0)
        for channel in (ChannelName.EMAIL, ChannelName.PORTAL)
    )
    assert await loa.visit(email) > loa.clock()
    await worker.on_wake_up(WakeUp(batch=str(shown), lane=Lane.NORMAL))
    await worker.channel.close()
    assert (await loa.entry_of(shown)).rows == b"d"
    assert (await loa.entry_of(email)).rows == b"ppp"
    assert await tripped(bus) == {ChannelName.EMAIL}


def portal(loa, folder):
    """The portal's planner and worker beside those of *loa*."""
    channel = PortalChannel(folder / "portal", PUBLIC_URL, WORDS)
    planner = Dispatch(
        ChannelName.PORTAL, loa.ledger, loa.waker, loa.fence, loa.released,
        Portal(), Gate(3), waits=False, clock=loa.clock,
    )  # fmt: skip
    worker = Deliver(
        channel, loa.ledger, Library(loa.bus, loa.ledger, channel.render), Places(), loa.waker,
        Gate(1), Slot(folder, "portal"), Circuit(loa.bus, ChannelName.PORTAL, loa.clock),
        clock=loa.clock,
    )  # fmt: skip
    return planner, worker


# ---- "421, closing" ---------------------------------------------------------------------------


class Countdown(dict):
    """Acts of a stage, each played once, whatever the mail."""

    def get(self, stage, default=None):
        acts = super().get(stage)
        return acts.pop() if acts else default


OPENING = ["greeting", "EHLO", "MAIL"]
BY_READER = ["RCPT", "DATA", "end"]
STEPWISE = pytest.mark.parametrize("pipelining", [True, False], ids=["pipelining", "stepwise"])


@STEPWISE
@pytest.mark.parametrize("stage", OPENING)
async def test_421_before_a_reader_is_named_costs_nothing_but_half_a_minute(
    house, stage, pipelining
):
    always = Countdown({stage: [BYE] * 30})
    async with Relay(pipelining=pipelining, always=always) as relay:
        loa = house(relay.port)
        relay.watch(loa)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 30}
        assert await check_books(loa, relay, plan) == await loa.copies(plan) == 0
    assert relay.connected == 31
    assert min(gaps(loa.opened)) >= LADDER_S[0]
    assert sum(gap >= PAUSE_S for gap in gaps(loa.opened)) >= 25


@STEPWISE
@pytest.mark.parametrize("stage", BY_READER)
async def test_421_to_each_reader_once_loses_nobody_and_declares_nobody(house, stage, pipelining):
    script = Once({(stage, address): BYE for address in mailboxes(30)})
    async with Relay(pipelining=pipelining, script=script) as relay:
        loa = house(relay.port)
        relay.watch(loa)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 30}
        assert await check_books(loa, relay, plan) == await loa.copies(plan) == 0
    assert not script, "each was told 421 once"
    tries = 2 if stage == "end" else 1
    assert {len(times) for times in relay.tries.values()} == {tries}
    assert all(gap >= LADDER_S[0] for times in relay.tries.values() for gap in gaps(times))
    assert relay.connected <= len(loa.visits) + len(relay.mails), "no connection for nothing"


async def test_a_relay_that_answers_every_mail_with_421_is_tried_along_the_ladder_only(house):
    async with Relay(always={"end": BYE}) as relay:
        loa = house(relay.port, 5)
        relay.watch(loa)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + 2 * HOUR_S)
        assert await loa.counts(plan) == {Status.DEFERRED: 5}
        assert not relay.mails
    assert relay.connected <= len(loa.visits), "one connection each time, and it ends there"
    for times in relay.tries.values():
        assert 1 < len(times) <= 1 + len(LADDER_S)
        assert all(gap >= step for gap, step in zip(gaps(times), LADDER_S, strict=False))


# ---- greylisting ------------------------------------------------------------------------------


class Greylist(Relay):
    """Refuses who has not waited five minutes since the first knock."""

    words = b"451 4.7.1 Greylisting in action, come back in 00:05:00"

    def act(self, stage, recipient):
        if stage != "RCPT":
            return None
        self.tries[recipient].append(self.clock())
        waited = self.clock() - self.tries[recipient][0]
        return self.words if waited < 300 else None


async def test_a_greylisting_relay_gets_every_mail_at_the_second_try(house):
    async with Greylist() as relay:
        loa = house(relay.port, 40)
        relay.watch(loa)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 40}
        assert await check_books(loa, relay, plan) == await loa.copies(plan) == 0
    assert {len(times) for times in relay.tries.values()} == {2}
    assert all(300 <= gap <= 390 for times in relay.tries.values() for gap in gaps(times))


async def test_a_relay_that_greylists_without_saying_so_gets_one_copy_along_the_ladder(house):
    async with Greylist() as relay:
        relay.words = b"450 4.2.0 try again later"
        loa = house(relay.port, 20)
        relay.watch(loa)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 20}
        assert await check_books(loa, relay, plan) == await loa.copies(plan) == 0
    assert {len(times) for times in relay.tries.values()} == {4}, "0 s, 5 s, 1 min, 5 min later"


# ---- a no for good ----------------------------------------------------------------------------

FOR_GOOD = [
    ("RCPT", b"550 5.1.1 no such user", "550 5.1.1"),
    ("RCPT", b"550 no such user here", "550 no such user"),
    ("RCPT", b"550 5.2.1 disabled", "550 5.2.1"),
    ("RCPT", b"552 5.2.2 mailbox full", "552 5.2.2"),
    ("RCPT", b"554 5.4.4 no route", "554 5.4.4"),
    ("end", b"550 5.6.11 cannot convert", "550 5.6.11"),
    ("end", b"552 5.3.4 message too big", "552 5.3.4"),
    ("end", b"554 transaction failed", "554"),
]


async def test_a_reader_refused_for_good_has_failed_at_once_and_all_others_get_it(house):
    refused = {
        address: case for case, n in zip(FOR_GOOD * 5, range(0, 120, 3), strict=False)
        for address in [mailboxes(120)[n]]
    }  # fmt: skip
    script = {(stage, address): said for address, (stage, said, _) in refused.items()}
    async with Receiver(script=script) as receiver:
        loa = house(receiver.port, 120)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.FAILED: 40, Status.DELIVERED: 80}
        assert await check_books(loa, receiver, plan) == await loa.copies(plan) == 0
    assert len(loa.visits) == receiver.connected == 1
    kept = {f"{reader}@example.com": why for reader, why in (await loa.why(plan)).items()}
    assert kept == {address: reason for address, (_, _, reason) in refused.items()}


@pytest.mark.parametrize(("stage", "said", "reason"), FOR_GOOD)
async def test_a_mail_that_the_relay_refuses_to_everybody_has_failed_at_once(
    house, stage, said, reason
):
    async with Receiver(always={stage: said}) as receiver:
        loa = house(receiver.port, 30)
        plan = await loa.plan()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.FAILED: 30}
        assert await check_books(loa, receiver, plan) == 0
    assert set((await loa.why(plan)).values()) == {reason}
    assert len(loa.visits) == receiver.connected == 1


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
async def test_a_refusal_that_is_about_us_fails_nobody_and_waits_for_an_operator(
    house, stage, said
):
    async with Receiver(always={stage: said}) as receiver:
        loa = house(receiver.port, 30)
        plan = await loa.plan()
        await loa.run(plan, until=loa.clock() + HOUR_S)
        assert await loa.counts(plan) == {Status.DEFERRED: 30}
        assert receiver.number < 30 * HOUR_S / 300
        receiver.always.clear()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 30}
        assert await check_books(loa, receiver, plan) == await loa.copies(plan) == 0
