"""One letter in several hands, at once or one after another: what was sent is what is on record."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.dead_letters import DeadLetterDecisions, DeadLetterStore, Operator, OutgoingMessage
from consumers.dead_letters.decisions import SENDING_HOLD
from contracts import subjects
from contracts.base import crash_points
from contracts.errors import Invalid
from producers.bus import Bus, BusError
from tests.support.dead_letters import SUBJECT, bury, content_messages, letters_of
from tests.support.expired_message_ids import expire_message_ids

AN, BINH = Operator("An", "đã sửa cấu hình"), Operator("Bình", "rác")
ONE, TWO = (OutgoingMessage(SUBJECT, body, {}) for body in (b'{"first": 1}', b'{"second": 2}'))
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
        """What was put on CONTENT after the letter's own message."""
        return [one.data for one in await content_messages(self.bus)][1:]

    async def record(self) -> list[tuple[str, str, str]]:
        """Who did what, and where it went."""
        return [(one.state, one.by, one.sent_to) for one in (await self.letter()).decisions]


@pytest.fixture
async def decision_race(bus: Bus) -> DecisionRace:
    desk = DecisionRace(bus)
    await bury(desk.letters, b"{")
    return desk


OTHERS: dict[str, Deed] = {
    "replay": DecisionRace.replay,
    "discard": DecisionRace.discard,
    "edit": DecisionRace.edit,
}


@pytest.mark.promise("9.2")
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_while_one_sends_nobody_else_decides(decision_race, monkeypatch, other):
    refusal = await decision_race.meanwhile(monkeypatch, decision_race.replay(AN), other)
    assert isinstance(refusal, Invalid)
    [error] = refusal.errors
    assert error.field == "id"
    assert all("An" in text and "01:02:00" in text for text in (error.message, error.message_vi))
    assert await decision_race.sent() == [b"{"]
    assert await decision_race.record() == [("replayed", "An", "CONTENT #2")]


async def test_who_was_held_up_for_long_still_puts_down_what_was_sent(decision_race, monkeypatch):
    async def much_later(desk: DecisionRace, who: Operator) -> Any:
        desk.wait()
        return await desk.discard(who)

    ended = await decision_race.meanwhile(monkeypatch, decision_race.replay(AN), much_later)
    assert ended.ended.state == "discarded", "nothing was sent so far, and nobody was there"
    assert await decision_race.sent() == [b"{"]
    assert await decision_race.record() == [
        ("discarded", "Bình", ""),
        ("replayed", "An", "CONTENT #2"),
    ]
    assert (await decision_race.letter()).ended.state == "replayed", (
        "what left outweighs what was decided"
    )


async def test_who_was_held_up_before_sending_sends_nothing(decision_race):
    with pytest.raises(BusError):
        await decision_race.at("dead.decided", decision_race.replay(AN), decision_race.wait)
    assert await decision_race.sent() == []
    assert len(await letters_of(decision_race.letters)) == 1
    await decision_race.discard(BINH)
    assert (await decision_race.letter()).ended.state == "discarded"


@pytest.mark.parametrize("where", ["dead.decided", "dead.replayed"])
async def test_a_command_cut_short_is_repeated_at_once_by_whoever_gave_it(decision_race, where):
    await decision_race.cut(decision_race.replay(AN), where)
    with pytest.raises(Invalid):
        await decision_race.replay(BINH)
    await decision_race.replay(AN)
    assert await decision_race.sent() == [b"{"]
    assert (await decision_race.record())[-1] == ("replayed", "An", "CONTENT #2")
    assert await letters_of(decision_race.letters) == []


@pytest.mark.parametrize("where", ["dead.decided", "dead.replayed"])
async def test_and_by_anybody_a_little_later(decision_race, where):
    await decision_race.cut(decision_race.replay(AN), where)
    decision_race.wait()
    await decision_race.replay(BINH)
    assert await decision_race.sent() == [b"{"]
    assert (await decision_race.record())[-1] == ("replayed", "Bình", "CONTENT #2")


@pytest.mark.promise("9.2")
async def test_days_later_it_is_still_sent_once(decision_race):
    await decision_race.cut(decision_race.replay(AN), "dead.replayed")
    await expire_message_ids(decision_race.bus, subjects.CONTENT.name)
    decision_race.time += timedelta(days=3)
    await decision_race.replay(AN)
    assert await decision_race.sent() == [b"{"]
    assert (await decision_race.record())[-1] == ("replayed", "An", "CONTENT #2")


@pytest.mark.promise("9.2")
async def test_what_was_sent_after_all_can_not_be_given_up(decision_race):
    await decision_race.cut(decision_race.replay(AN), "dead.replayed")
    decision_race.wait()
    with pytest.raises(Invalid) as caught:
        await decision_race.discard(BINH)
    assert "replayed by An" in str(caught.value)
    assert await decision_race.record() == [("replayed", "An", "CONTENT #2")]
    assert await letters_of(decision_race.letters) == []


async def test_what_was_not_sent_can(decision_race):
    await decision_race.cut(decision_race.replay(AN), "dead.decided")
    with pytest.raises(Invalid):
        await decision_race.discard(AN)
    decision_race.wait()
    await decision_race.discard(AN)
    assert await decision_race.record() == [("replayed", "An", ""), ("discarded", "An", "")]


async def test_a_second_mended_event_is_no_repeat_of_the_first(decision_race):
    await decision_race.cut(decision_race.edit(AN, ONE), "dead.decided")
    ended = await decision_race.edit(AN, TWO)
    assert await decision_race.sent() == [TWO.body]
    assert ended.ended.sent_to == "CONTENT #2"


async def test_a_second_mended_event_does_not_follow_one_that_was_sent(decision_race):
    await decision_race.cut(decision_race.edit(AN, ONE), "dead.replayed")
    with pytest.raises(Invalid) as caught:
        await decision_race.edit(AN, TWO)
    assert "edited by An" in str(caught.value)
    assert await decision_race.sent() == [ONE.body]
    assert await decision_race.record() == [("edited", "An", "CONTENT #2")]


async def test_two_mended_events_at_once_are_both_on_record_each_with_its_place(
    decision_race, monkeypatch
):
    async def the_other(desk: DecisionRace, _: Operator) -> Any:
        return await desk.edit(AN, TWO)

    second = await decision_race.meanwhile(monkeypatch, decision_race.edit(AN, ONE), the_other)
    sent = await decision_race.sent()
    assert sent == [TWO.body, ONE.body]
    assert second.ended.sent_to == "CONTENT #2"
    assert await decision_race.record() == [
        ("edited", "An", "CONTENT #2"),
        ("edited", "An", "CONTENT #3"),
    ]


async def test_a_message_id_that_says_something_else_is_noticed(decision_race):
    await decision_race.cut(decision_race.replay(AN), "dead.decided")
    [begun] = (await decision_race.letter()).decisions
    await decision_race.bus.publish(
        subjects.content("don-vi-khac", "submitted"), b"x", msg_id=begun.message_id
    )
    with pytest.raises(Invalid) as caught:
        await decision_race.replay(AN)
    assert [error.field for error in caught.value.errors] == ["id"]
    assert len(await letters_of(decision_race.letters)) == 1, "nothing of it was sent"
