"""One letter in several hands, at once or one after another: what was sent is what is on record."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.dead_letters.decisions import (
    SENDING_HOLD,
    DeadLetterDecisions,
    Operator,
    OutgoingMessage,
)
from consumers.dead_letters.store import DeadLetterStore
from contracts import subjects
from contracts.base import crash_points
from contracts.envelope import to_structured
from contracts.errors import Invalid
from producers.bus import Bus, BusError
from tests.support.dead_letters import SUBJECT, bury, content_messages, letters_of
from tests.support.events import submitted
from tests.support.expired_message_ids import expire_message_ids

AN, BINH = Operator("An", "đã sửa cấu hình"), Operator("Bình", "rác")
ONE, TWO = (
    OutgoingMessage(SUBJECT, to_structured(submitted(title=title)), {}).submitted_by(AN.name)
    for title in ("Tin một", "Tin hai")
)
START = datetime(2026, 11, 25, 1, tzinfo=UTC)
Deed = Callable[["DecisionRace", Operator], Awaitable[Any]]


class CommandKilled(Exception):
    """The command dies here."""


class DecisionRace:
    """One letter, people who decide about it, and their clock."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.time = bus, START
        self.letters = DeadLetterStore(bus, self.now)
        self.decisions = DeadLetterDecisions(self.letters)

    def now(self) -> datetime:
        """Two looks never find the same time."""
        self.time += timedelta(microseconds=1)
        return self.time

    def wait(self) -> None:
        self.time += SENDING_HOLD

    async def letter(self) -> Any:
        return await self.letters.load(1)

    async def replay(self, who: Operator) -> Any:
        return await self.decisions.replay(await self.letter(), who)

    async def discard(self, who: Operator) -> Any:
        return await self.decisions.discard(await self.letter(), who)

    async def edit(self, who: Operator, what: OutgoingMessage = ONE) -> Any:
        return await self.decisions.edit(await self.letter(), what, who)

    async def cut(self, deed: Awaitable[Any], where: str) -> None:
        with pytest.raises(CommandKilled):
            await self.at(where, deed, self.die)

    def die(self) -> None:
        raise CommandKilled

    async def at(self, where: str, deed: Awaitable[Any], do: Callable[[], None]) -> Any:
        """Carry out *deed*, and *do* something when it comes to *where*."""
        crash_points.arm(lambda name: do() if name == where else None)
        try:
            return await deed
        finally:
            crash_points.arm(None)

    async def meanwhile(self, monkeypatch, deed: Awaitable[Any], other: Deed) -> Any:
        """*deed* is about to reach the bus when *other* is done from beginning to end."""
        publish, answers = self.bus.publish, []

        async def held_up(*args: Any, **kwargs: Any) -> Any:
            monkeypatch.setattr(self.bus, "publish", publish)
            answers.extend(await asyncio.gather(other(self, BINH), return_exceptions=True))
            return await publish(*args, **kwargs)

        monkeypatch.setattr(self.bus, "publish", held_up)
        await deed
        return answers[0]

    async def sent(self) -> list[bytes]:
        """Messages that were put on CONTENT after the letter's own."""
        return [one.data for one in await content_messages(self.bus)][1:]

    async def record(self) -> list[tuple[str, str, str]]:
        """Who did what, and where it went."""
        return [(one.state, one.by, one.sent_to) for one in (await self.letter()).decisions]


@pytest.fixture
async def race(bus: Bus) -> DecisionRace:
    desk = DecisionRace(bus)
    await bury(desk.letters, b"{")
    return desk


@pytest.mark.promise("9.2")
@pytest.mark.parametrize("other", [DecisionRace.replay, DecisionRace.discard, DecisionRace.edit])
async def test_while_one_sends_nobody_else_decides(race, monkeypatch, other):
    refusal = await race.meanwhile(monkeypatch, race.replay(AN), other)
    assert isinstance(refusal, Invalid)
    [error] = refusal.errors
    assert error.field == "id"
    assert "An" in error.message and "08:02:00+07" in error.message
    assert "An" in error.message_vi and " 08:02 ngày " in error.message_vi
    assert await race.sent() == [b"{"]
    assert await race.record() == [("replayed", "An", "CONTENT #2")]


async def test_who_was_held_up_for_long_still_puts_down_what_was_sent(race, monkeypatch):
    async def much_later(desk: DecisionRace, who: Operator) -> Any:
        desk.wait()
        return await desk.discard(who)

    ended = await race.meanwhile(monkeypatch, race.replay(AN), much_later)
    assert ended.ended.state == "discarded", "nothing was sent so far, and nobody was there"
    assert await race.sent() == [b"{"]
    assert await race.record() == [("discarded", "Bình", ""), ("replayed", "An", "CONTENT #2")]
    assert (await race.letter()).ended.state == "replayed", "what left outweighs what was decided"


async def test_who_was_held_up_before_sending_sends_nothing(race):
    with pytest.raises(BusError):
        await race.at("dead.decided", race.replay(AN), race.wait)
    assert await race.sent() == []
    assert len(await letters_of(race.letters)) == 1
    await race.discard(BINH)
    assert (await race.letter()).ended.state == "discarded"


@pytest.mark.parametrize("who", [AN, BINH], ids=lambda who: who.name)
@pytest.mark.parametrize("where", ["dead.decided", "dead.replayed"])
async def test_a_command_cut_short_is_repeated_by_its_operator_and_later_by_any(race, where, who):
    await race.cut(race.replay(AN), where)
    with pytest.raises(Invalid):
        await race.replay(BINH)
    if who is BINH:
        race.wait()
    await race.replay(who)
    assert await race.sent() == [b"{"]
    assert (await race.record())[-1] == ("replayed", who.name, "CONTENT #2")
    assert await letters_of(race.letters) == []


@pytest.mark.promise("9.2")
async def test_days_later_it_is_still_sent_once(race):
    await race.cut(race.replay(AN), "dead.replayed")
    await expire_message_ids(race.bus, subjects.CONTENT.name)
    race.time += timedelta(days=3)
    await race.replay(AN)
    assert await race.sent() == [b"{"]
    assert (await race.record())[-1] == ("replayed", "An", "CONTENT #2")


@pytest.mark.promise("9.2")
async def test_what_was_sent_after_all_can_not_be_given_up(race):
    await race.cut(race.replay(AN), "dead.replayed")
    race.wait()
    with pytest.raises(Invalid) as caught:
        await race.discard(BINH)
    assert "replayed by An" in str(caught.value)
    assert await race.record() == [("replayed", "An", "CONTENT #2")]
    assert await letters_of(race.letters) == []


async def test_what_was_not_sent_can(race):
    await race.cut(race.replay(AN), "dead.decided")
    with pytest.raises(Invalid):
        await race.discard(AN)
    race.wait()
    await race.discard(AN)
    assert await race.record() == [("replayed", "An", ""), ("discarded", "An", "")]


async def test_a_second_mended_event_is_no_repeat_of_the_first(race):
    await race.cut(race.edit(AN, ONE), "dead.decided")
    ended = await race.edit(AN, TWO)
    assert await race.sent() == [TWO.body]
    assert ended.ended.sent_to == "CONTENT #2"


async def test_a_second_mended_event_does_not_follow_one_that_was_sent(race):
    await race.cut(race.edit(AN, ONE), "dead.replayed")
    with pytest.raises(Invalid) as caught:
        await race.edit(AN, TWO)
    assert "edited by An" in str(caught.value)
    assert await race.sent() == [ONE.body]
    assert await race.record() == [("edited", "An", "CONTENT #2")]


async def test_two_mended_events_at_once_are_both_on_record_each_with_its_place(race, monkeypatch):
    async def the_other(desk: DecisionRace, _: Operator) -> Any:
        return await desk.edit(AN, TWO)

    second = await race.meanwhile(monkeypatch, race.edit(AN, ONE), the_other)
    sent = await race.sent()
    assert sent == [TWO.body, ONE.body]
    assert second.ended.sent_to == "CONTENT #2"
    assert await race.record() == [("edited", "An", "CONTENT #2"), ("edited", "An", "CONTENT #3")]


async def test_a_message_id_that_says_something_else_is_noticed(race):
    await race.cut(race.replay(AN), "dead.decided")
    [begun] = (await race.letter()).decisions
    subject = subjects.content("don-vi-khac", "submitted")
    await race.bus.publish(subject, b"x", msg_id=begun.message_id)
    with pytest.raises(Invalid) as caught:
        await race.replay(AN)
    assert [error.field for error in caught.value.errors] == ["id"]
    assert len(await letters_of(race.letters)) == 1, "nothing of it was sent"
