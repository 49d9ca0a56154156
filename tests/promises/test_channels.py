"""The promises of every channel: one suite, one case per channel.

A case is a channel in front of a provider whose effects can be counted. To add a channel, write an
async context manager that yields a ChannelCase, and enter it in CASES.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from channels.base import Canary, Channel, Recipient, Verdict
from channels.errors import ChannelError
from channels.portal.channel import PortalChannel
from contracts.delivery import ChannelName
from contracts.publication import Publication
from tests.support.clock import FakeClock
from tests.support.mails import email_channel, mail_recipient
from tests.support.portal_dir import PORTAL_SITE, ROW
from tests.support.publications import a_publication
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.zalo_account import open_zalo_account, recipient

LEASE_S, SKEW_S = 60.0, 5.0
RESOLVED = {Verdict.DELIVERED, Verdict.ABSENT, Verdict.RESEND}
RESOLVED |= {Verdict.UNKNOWN, Verdict.DOUBT, Verdict.FAILED}


@dataclass
class ChannelCase:
    """`effects` counts by row; `copies` = effects of sending a row twice; the rest is optional."""

    channel: Channel
    publication: Publication
    rows: Sequence[Recipient]
    effects: Callable[[], Counter[str]]
    copies: int
    in_turn: bool = False  # a row can be sent only after the one before it
    refuse: Callable[[Recipient], None] | None = None
    go_away: Callable[[], None] | None = None


@asynccontextmanager
async def email(_folder: Path) -> AsyncIterator[ChannelCase]:
    publication = a_publication()
    rows = [mail_recipient(n, publication) for n in range(25)]
    keys = {row.address: row.delivery_key for row in rows}
    async with SmtpReceiver() as receiver:

        def refuse(row: Recipient) -> None:
            receiver.script["RCPT", row.address] = b"550 5.1.1 no such user"

        yield ChannelCase(
            email_channel(receiver.port),
            publication,
            rows,
            effects=lambda: Counter(keys[mail.recipient] for mail in receiver.mails),
            copies=2,  # under one Message-ID; the ledger sends twice only after a doubt
            refuse=refuse,
            go_away=receiver.server.close,
        )


@asynccontextmanager
async def portal(folder: Path) -> AsyncIterator[ChannelCase]:
    publication = a_publication()

    def effects() -> Counter[str]:
        feed = folder / "public" / "nguon-tin" / "tat-ca.rss"
        shown = feed.read_text("utf-8").count("<item>") if feed.exists() else 0
        return Counter({ROW.delivery_key: shown} if shown else {})

    channel = PortalChannel(folder, PORTAL_SITE)
    yield ChannelCase(channel, publication, [ROW], effects, copies=1)


@asynccontextmanager
async def zalo(folder: Path) -> AsyncIterator[ChannelCase]:
    publication = a_publication()
    article, broadcast = (recipient(publication, name) for name in ("article", "broadcast"))
    async with open_zalo_account(folder, FakeClock()) as played:

        def effects() -> Counter[str]:
            shown, sent = len(played.visible), len(played.broadcasts)
            return +Counter({article.delivery_key: shown, broadcast.delivery_key: sent})

        channel = played.channel
        rows = [article, broadcast]
        yield ChannelCase(channel, publication, rows, effects, copies=1, in_turn=True)


CASES: dict[ChannelName, Callable[[Path], AbstractAsyncContextManager[ChannelCase]]] = {
    ChannelName.EMAIL: email,
    ChannelName.PORTAL: portal,
    ChannelName.ZALO: zalo,
}


@pytest.fixture(params=CASES, ids=str)
async def case(request, tmp_path):
    async with CASES[request.param](tmp_path) as case:
        yield case
        await case.channel.close()


def never() -> bool:
    return False


async def send(case, rows, expired=never):
    rendered = case.channel.render(case.publication)
    async with case.channel.session() as session:
        return await session.send(rendered, rows, expired)


def test_a_channel_that_delivers_has_a_case_here():
    assert set(CASES) == set(ChannelName)


async def test_its_times_fit_into_a_lease(case):
    channel = case.channel
    assert channel.name in ChannelName
    assert channel.window >= 1
    assert channel.connections >= 1
    assert 0 < channel.request_timeout_s + SKEW_S < LEASE_S
    assert channel.settle_s >= 0


async def test_every_row_is_delivered_once_and_said_to_be(case):
    outcomes = await send(case, case.rows)
    assert [outcome.verdict for outcome in outcomes] == [Verdict.DELIVERED] * len(case.rows)
    assert case.effects() == Counter(row.delivery_key for row in case.rows)


async def test_no_rows_no_outcomes_no_effect(case):
    assert await send(case, []) == []
    assert case.effects().total() == 0


async def test_outcomes_come_in_the_order_of_the_rows(case):
    if case.refuse is None:
        pytest.skip("this provider refuses no single row")
    refused = case.rows[len(case.rows) // 2]
    case.refuse(refused)
    outcomes = await send(case, case.rows)
    said = {row.id: o.verdict for row, o in zip(case.rows, outcomes, strict=True)}
    assert said.pop(refused.id) not in (Verdict.DELIVERED, Verdict.UNSENT)
    assert set(said.values()) <= {Verdict.DELIVERED}
    assert case.effects()[refused.delivery_key] == 0


async def test_rows_after_the_deadline_are_unsent_and_have_no_effect(case):
    # a channel with several calls per row asks before each of them
    for allowed in range(1 if case.in_turn else min(3, len(case.rows))):
        before = case.effects()
        asked = iter([False] * allowed)
        outcomes = await send(case, case.rows, lambda asked=asked: next(asked, True))
        unsent = len(case.rows) - allowed
        assert [outcome.verdict for outcome in outcomes] == (
            [Verdict.DELIVERED] * allowed + [Verdict.UNSENT] * unsent
        )
        new = case.effects() - before
        assert set(new) <= {row.delivery_key for row in case.rows[:allowed]}


async def test_sending_a_row_twice_has_as_many_effects_as_the_channel_says(case):
    (row, *_) = case.rows
    for _ in range(2):
        (outcome,) = await send(case, [row])
        assert outcome.verdict is Verdict.DELIVERED
    assert case.effects() == Counter({row.delivery_key: case.copies})


async def test_a_doubt_can_be_asked_about(case):
    await send(case, case.rows[:1])
    rendered = case.channel.render(case.publication)
    async with case.channel.session() as session:
        said = await session.resolve(rendered, case.rows)
    assert len(said) == len(case.rows)
    assert {outcome.verdict for outcome in said} <= RESOLVED
    assert case.effects().total() == 1


async def test_reasons_are_short_and_name_nobody(case):
    if case.refuse is None:
        pytest.skip("this provider refuses no single row")
    for row in case.rows:
        case.refuse(row)
    for row, outcome in zip(case.rows, await send(case, case.rows), strict=True):
        assert 0 < len(outcome.reason) <= 80
        assert not row.address or row.address not in outcome.reason


async def test_a_provider_that_is_away_raises_a_channel_error_and_nothing_else(case):
    if case.go_away is None:
        pytest.skip("this provider is never away")
    case.go_away()
    with pytest.raises(ChannelError):
        async with case.channel.session():
            pass
    assert case.effects().total() == 0


async def test_sessions_run_side_by_side(case):
    if case.in_turn:
        pytest.skip("each row needs the one before it")
    several = case.rows[: case.channel.connections]
    outcomes = await asyncio.gather(*(send(case, [row]) for row in several))
    assert [said.verdict for (said,) in outcomes] == [Verdict.DELIVERED] * len(several)
    assert case.effects() == Counter(row.delivery_key for row in several)


@pytest.mark.promise("10.2")
async def test_a_canary_tries_the_way_and_no_reader_sees_it(case):
    await send(case, case.rows[:1])
    before = case.effects()
    canary = Canary(7, datetime(2026, 11, 25, 2, tzinfo=UTC))
    for _ in range(2):
        async with case.channel.session() as session:
            assert (await session.probe(canary)).verdict is Verdict.DELIVERED
    assert case.effects() == before


async def test_it_closes_cleanly_and_twice(case):
    before = asyncio.all_tasks()
    await send(case, case.rows)
    await case.channel.close()
    await case.channel.close()
    assert asyncio.all_tasks() <= before
