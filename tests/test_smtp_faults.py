"""A relay that refuses, hangs up, stalls or answers too late: whom the ledger says it reached.

Each test goes the whole way, from a publication on a real bus to the relay's own record.
"""

import asyncio
from collections import Counter

import pytest

from channels.portal.channel import PortalChannel
from consumers import control
from contracts.delivery import ChannelName, PlanKey, Status
from tests.builders import a_publication
from tests.fakes import people
from tests.mail_house import MailHouse, Once, by_reader, check_books
from tests.mails import PUBLIC_URL
from tests.proxy import Proxy
from tests.smtp_receiver import Act, Receiver

HOUR_S = 3600.0
PAUSE_S = 30.0
NO_CONNECTION = "no connection"
BYE = b"421 4.3.2 closing the channel"
STEPS_S = (5.0, 60.0, 300.0, 1800.0, 7200.0)


@pytest.fixture
def house(bus, tmp_path):
    return lambda port, count=30, **changes: MailHouse(bus, tmp_path, count, port, **changes)


def gaps(visits):
    """The time between two visits of the same batch."""
    times = sorted(at for at, _ in visits)
    return [round(later - at, 3) for at, later in zip(times, times[1:], strict=False)]


# ---- nobody listens ---------------------------------------------------------------------------


async def test_a_relay_that_refuses_for_an_hour_is_asked_twice_a_minute_and_gets_all_then(house):
    async with Receiver() as receiver, Proxy(receiver.port) as proxy:
        loa = house(proxy.port, 60)
        plan = await loa.plan()
        proxy.refuse()
        begun = loa.clock()
        await loa.run(plan, until=begun + HOUR_S)
        assert len(loa.visits) == HOUR_S / PAUSE_S
        assert set(gaps(loa.visits)) == {PAUSE_S}
        assert all(reason.startswith(NO_CONNECTION) for reason in loa.reasons)
        assert await loa.counts(plan) == {Status.PENDING: 60}
        assert await control.tripped(loa.bus, loa.clock()) == {ChannelName.EMAIL}
        await proxy.accept()
        await loa.run(plan)
        assert await loa.counts(plan) == {Status.DELIVERED: 60}
        assert (await check_books(loa, receiver, plan), await loa.copies(plan)) == (0, 0)
        assert not await control.tripped(loa.bus, loa.clock() + PAUSE_S)
