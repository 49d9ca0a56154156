"""A digest that the bounce brake has stopped: what makes it go on, and what ends it."""

import pytest

from consumers.mail import brakes
from consumers.mail.brakes import Brake
from consumers.mail.sending import Sending
from contracts.delivery import PlanKey, Status
from tests.digest_house import DAY_S, EMAIL, Press, later

DIGEST = PlanKey(EMAIL, "digest-daily-2027-01-16", 1)
AGAIN = DIGEST._replace(revision=2)


@pytest.fixture
async def press(bus, tmp_path):
    """Two items in a digest that is stopped before it leaves."""
    press = Press(bus, tmp_path)
    press.worker.conduct = Sending(bus, press.worker.gate, press.clock)
    await press.turn()  # the first window begins
    press.folk.settle("an", frequency="daily")
    stop = Brake(state="stopped", at=press.clock(), mails=1000, failed=100)
    await brakes.apply(bus, DIGEST, stop)
    await press.worker.conduct.look()
    yield press
    press.folk.store.close()


async def issue(press, **changes) -> None:
    await press.out("tin-mot", **changes)
    await press.out("tin-hai")
    await press.cut()


async def rest(press, days: float = 1.0) -> None:
    await press.deliver()
    press.clock.forward(days * DAY_S)
    await press.deliver()
    await press.insist(press.turn)
    await press.deliver()


async def test_it_waits_however_long_until_a_person_lets_it_go_on(press):
    await issue(press)
    await rest(press, days=20)
    assert await press.counts(DIGEST) == {Status.PENDING: 1}
    assert await brakes.release(press.bus, DIGEST, "Trần Thị Bình")
    await press.worker.conduct.look()
    await press.deliver()
    assert press.postman.items("an") == [("tin-mot", 1), ("tin-hai", 1)]


async def test_a_correction_of_an_item_in_it_issues_it_again_and_that_issue_leaves(press):
    await issue(press)
    await press.deliver()
    await press.out("tin-mot", 2)
    await rest(press, days=0.1)
    assert await press.counts(DIGEST) == {Status.SUPERSEDED: 1}
    assert press.postman.items("an") == [("tin-mot", 2), ("tin-hai", 1)]
    assert press.postman.mails("an") == [f"{AGAIN.content_id}.2"]


async def test_so_does_the_end_of_an_item_in_it(press):
    await issue(press, expires_at=later(press.clock, days=1.5))
    await rest(press)
    assert press.postman.items("an") == [("tin-hai", 1)]


async def test_it_ends_when_each_of_its_items_is_withdrawn(press):
    await issue(press)
    await press.deliver()
    for name in ("tin-mot", "tin-hai"):
        await press.out(name, 2, action="withdrawn")
    await rest(press)
    assert await press.counts(DIGEST) == {Status.SUPERSEDED: 1}
    assert press.postman.items("an") == []
    assert await press.violations() == []
