"""Of a mail there may be reports about several addresses: the reader's own is never hidden."""

import pytest

from consumers.mail import inbox
from consumers.mail.inbox import COPIES_S, MOUTHS_MAX, Mouths
from tests.returned_mail import bounce
from tests.test_mail_listener import OTHER, PATH, PATHS, House


@pytest.fixture
async def house(bus):
    house = House(bus)
    house.port = await house.listener.start()
    yield house
    await house.listener.stop()


async def test_a_report_about_somebody_else_does_not_hide_the_one_about_the_reader(house):
    async with house.client() as client:
        for whom in ("x@example.com", "an@example.com", "an@example.com"):
            assert (await client.mail(PATH, bounce("5.1.1", to=whom))).startswith("250")
    first, second = await house.stored()
    mine = house.suppressions.seal("an@example.com")
    assert (first.final == mine, second.final) == (False, mine)


async def test_who_has_got_a_mail_names_a_few_addresses_and_no_more(house):
    now = 0.0
    house.door.mouths = Mouths(clock=lambda: now)
    async with house.client() as client:
        for number in range(MOUTHS_MAX + 3):
            await client.mail(PATH, bounce("5.1.1", to=f"x{number}@example.com"))
        assert len(await house.stored()) == MOUTHS_MAX
        await client.mail(PATHS.path(OTHER)[0].decode(), bounce("5.1.1"))
        assert len(await house.stored()) == MOUTHS_MAX + 1, "another mail has its own"
        now = COPIES_S + 1
        await client.mail(PATH, bounce("5.1.1", to="moi@example.com"))
    assert len(await house.stored()) == MOUTHS_MAX + 2


def test_it_is_forgotten_first_what_was_told_of_least_lately(monkeypatch):
    monkeypatch.setattr(inbox, "REMEMBERED", 2)
    mouths = Mouths()
    for told in ("a", "b", "a", "c"):
        assert mouths.takes(told, "x")
    assert list(mouths.heard) == ["a", "c"]
