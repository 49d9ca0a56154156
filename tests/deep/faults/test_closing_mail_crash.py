"""A process that crashes between a subscriber's change and the closing mail."""

from datetime import timedelta

import pytest

from contracts import subjects
from contracts.subscriptions.transactional import TransactionalKind
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, crashing_bus
from tests.support.signup_app import ADDRESS, NOON, SignupApp

NEW = "moi@example.com"
CALLS = 40
"""More than any of these deeds needs."""


WAYS = {
    TransactionalKind.GOODBYE: lambda pages, person, _link: pages.unsubscribe(person),
    TransactionalKind.ERASED: lambda pages, person, _link: pages.erase(person),
    TransactionalKind.CHANGED: lambda pages, _person, link: pages.confirm_address_change(link),
}
"""Acts that are open to a reader, by the letter that tells of them."""


async def state_of(app, kind):
    """State of the reader: as before, or changed."""
    [one] = [*await app.subscribers()] or [None]
    if kind is TransactionalKind.CHANGED:
        return "changed" if one and one.email == NEW else "as before"
    return "as before" if one and one.active else "changed"


@pytest.mark.promise("14.3")
@pytest.mark.parametrize("after", [False, True], ids=["not stored", "stored, unanswered"])
@pytest.mark.parametrize("kind", WAYS)
async def test_a_process_that_dies_anywhere_loses_and_doubles_no_letter(bus, tmp_path, kind, after):
    clock, outcomes, calls = FakeClock(NOON.timestamp()), [], 0
    while not outcomes or outcomes[-1] != "done":
        calls, survivor = calls + 1, SignupApp(bus, tmp_path / str(calls), clock)
        assert calls < CALLS
        clock.advance(timedelta(days=1).total_seconds())  # nobody has got a letter today
        person = await survivor.subscribed()
        link = await survivor.change_token(person, NEW)
        dying = SignupApp(crashing_bus(bus, calls, after=after), tmp_path / f"dying {calls}", clock)
        try:
            await WAYS[kind](dying.preferences, person, link)
            outcomes.append("done")
        except SimulatedCrash:
            outcomes.append(await state_of(survivor, kind))
        for _ in range(2):
            await survivor.closing_mail.finish_all()
        sent = [one.kind for one in await survivor.send_mails()]
        assert sent == ([] if outcomes[-1] == "as before" else [kind]), calls
        await nothing_is_left(survivor, kind, outcomes[-1])
    assert {"as before", "changed"} < {*outcomes}


async def nothing_is_left(app, kind, outcome):
    """Of the reader no more than is due; then the ground is cleared."""
    subscribers = app.bus.bucket(subjects.SUBSCRIBERS.name)
    assert await subscribers.keys("f.") == []
    if outcome != "as before":
        assert ADDRESS.encode() not in await app.stored_bytes()
    if kind is TransactionalKind.ERASED and outcome != "as before":
        assert await subscribers.keys() == []
    for key in await subscribers.keys():
        await subscribers.purge(key)
