"""Reports about several addresses of one mail never hide the recipient's own."""

import pytest

from consumers.email import inbound as email_inbound
from consumers.email.inbound import MAX_REPORTERS, REPORTER_TTL_S, ReportersPerRow
from tests.consumers.email.test_inbound import OTHER, PATH, PATHS, InboundHarness
from tests.support.bounce_mails import bounce_mail


@pytest.fixture
async def inbound(bus):
    house = InboundHarness(bus)
    house.port = await house.listener.start()
    yield house
    await house.listener.stop()


async def test_a_report_about_somebody_else_does_not_hide_the_one_about_the_reader(inbound):
    async with inbound.client() as client:
        for whom in ("x@example.com", "an@example.com", "an@example.com"):
            assert (await client.mail(PATH, bounce_mail("5.1.1", to=whom))).startswith("250")
    first, second = await inbound.stored()
    mine = inbound.suppressions.hash_address("an@example.com")
    assert (first.final == mine, second.final) == (False, mine)


async def test_who_has_got_a_mail_names_a_few_addresses_and_no_more(inbound):
    now = 0.0
    inbound.door.reporters = ReportersPerRow(clock=lambda: now)
    async with inbound.client() as client:
        for number in range(MAX_REPORTERS + 3):
            await client.mail(PATH, bounce_mail("5.1.1", to=f"x{number}@example.com"))
        assert len(await inbound.stored()) == MAX_REPORTERS
        await client.mail(PATHS.return_path(OTHER)[0].decode(), bounce_mail("5.1.1"))
        assert len(await inbound.stored()) == MAX_REPORTERS + 1, "another mail has its own"
        now = REPORTER_TTL_S + 1
        await client.mail(PATH, bounce_mail("5.1.1", to="moi@example.com"))
    assert len(await inbound.stored()) == MAX_REPORTERS + 2


def test_it_is_forgotten_first_what_was_told_of_least_lately(monkeypatch):
    monkeypatch.setattr(email_inbound, "MAX_TRACKED_ROWS", 2)
    mouths = ReportersPerRow()
    for told in ("a", "b", "a", "c"):
        assert mouths.admits(told, "x")
    assert list(mouths.reporters) == ["a", "c"]
