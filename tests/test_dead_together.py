"""One letter in several hands, at once or one after another: what was sent is what is on record."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from consumers.dead_letters import DeadLetters, Decisions, Person, Sending
from consumers.dead_letters.decisions import HOLD
from contracts import crash, subjects
from contracts.errors import Invalid
from producers.bus import Bus, BusError
from tests.buried import SUBJECT, died, listed, on_content
from tests.forgetting import forget_ids

AN, BINH = Person("An", "đã sửa cấu hình"), Person("Bình", "rác")
ONE, TWO = (Sending(SUBJECT, body, {}) for body in (b'{"first": 1}', b'{"second": 2}'))
START = datetime(2026, 11, 25, 1, tzinfo=UTC)
Deed = Callable[["Desk", Person], Awaitable[Any]]


class Cut(Exception):
    """The command dies here."""


class Desk:
    """One letter, people who decide about it, and their clock."""

    def __init__(self, bus: Bus) -> None:
        self.bus, self.time = bus, START
        self.letters = DeadLetters(bus, self.now)
        self.decisions = Decisions(self.letters)

    def now(self) -> datetime:
        """Two looks never find the same time."""
        self.time += timedelta(microseconds=1)
        return self.time

    def wait(self) -> None:
        self.time += HOLD

    async def letter(self) -> Any:
        return await self.letters.show(1)

    async def replay(self, who: Person) -> Any:
        return await self.decisions.replay(await self.letter(), who)

    async def discard(self, who: Person) -> Any:
        return await self.decisions.discard(await self.letter(), who)

    async def edit(self, who: Person, what: Sending = ONE) -> Any:
        return await self.decisions.edit(await self.letter(), what, who)

    async def cut(self, deed: Awaitable[Any], where: str) -> None:
        with pytest.raises(Cut):
            await self.at(where, deed, self.die)

    def die(self) -> None:
        raise Cut

    async def at(self, where: str, deed: Awaitable[Any], do: Callable[[], None]) -> Any:
        """Carry out *deed*, and *do* something when it comes to *where*."""
        crash.arm(lambda name: do() if name == where else None)
        try:
            return await deed
        finally:
            crash.arm(None)

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
        return [one.data for one in await on_content(self.bus)][1:]

    async def record(self) -> list[tuple[str, str, str]]:
        """Who did what, and where it went."""
        return [(one.state, one.by, one.sent_to) for one in (await self.letter()).decisions]


@pytest.fixture
async def desk(bus: Bus) -> Desk:
    desk = Desk(bus)
    await died(desk.letters, b"{")
    return desk


OTHERS: dict[str, Deed] = {"replay": Desk.replay, "discard": Desk.discard, "edit": Desk.edit}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
async def test_while_one_sends_nobody_else_decides(desk, monkeypatch, other):
    refusal = await desk.meanwhile(monkeypatch, desk.replay(AN), other)
    assert isinstance(refusal, Invalid)
    [error] = refusal.errors
    assert error.field == "id"
    assert all("An" in text and "01:02:00" in text for text in (error.message, error.message_vi))
    assert await desk.sent() == [b"{"]
    assert await desk.record() == [("replayed", "An", "CONTENT #2")]


async def test_who_was_held_up_for_long_still_puts_down_what_was_sent(desk, monkeypatch):
    async def much_later(desk: Desk, who: Person) -> Any:
        desk.wait()
        return await desk.discard(who)

    ended = await desk.meanwhile(monkeypatch, desk.replay(AN), much_later)
    assert ended.ended.state == "discarded", "nothing was sent so far, and nobody was there"
    assert await desk.sent() == [b"{"]
    assert await desk.record() == [("discarded", "Bình", ""), ("replayed", "An", "CONTENT #2")]
    assert (await desk.letter()).ended.state == "replayed", "what left outweighs what was decided"


async def test_who_was_held_up_before_sending_sends_nothing(desk):
    with pytest.raises(BusError):
        await desk.at("dead.decided", desk.replay(AN), desk.wait)
    assert await desk.sent() == []
    assert len(await listed(desk.letters)) == 1
    await desk.discard(BINH)
    assert (await desk.letter()).ended.state == "discarded"


@pytest.mark.parametrize("where", ["dead.decided", "dead.replayed"])
async def test_a_command_cut_short_is_repeated_at_once_by_whoever_gave_it(desk, where):
    await desk.cut(desk.replay(AN), where)
    with pytest.raises(Invalid):
        await desk.replay(BINH)
    await desk.replay(AN)
    assert await desk.sent() == [b"{"]
    assert (await desk.record())[-1] == ("replayed", "An", "CONTENT #2")
    assert await listed(desk.letters) == []


@pytest.mark.parametrize("where", ["dead.decided", "dead.replayed"])
async def test_and_by_anybody_a_little_later(desk, where):
    await desk.cut(desk.replay(AN), where)
    desk.wait()
    await desk.replay(BINH)
    assert await desk.sent() == [b"{"]
    assert (await desk.record())[-1] == ("replayed", "Bình", "CONTENT #2")


async def test_days_later_it_is_still_sent_once(desk):
    await desk.cut(desk.replay(AN), "dead.replayed")
    await forget_ids(desk.bus, subjects.CONTENT.name)
    desk.time += timedelta(days=3)
    await desk.replay(AN)
    assert await desk.sent() == [b"{"]
    assert (await desk.record())[-1] == ("replayed", "An", "CONTENT #2")


async def test_what_was_sent_after_all_can_not_be_given_up(desk):
    await desk.cut(desk.replay(AN), "dead.replayed")
    desk.wait()
    with pytest.raises(Invalid) as caught:
        await desk.discard(BINH)
    assert "replayed by An" in str(caught.value)
    assert await desk.record() == [("replayed", "An", "CONTENT #2")]
    assert await listed(desk.letters) == []


async def test_what_was_not_sent_can(desk):
    await desk.cut(desk.replay(AN), "dead.decided")
    with pytest.raises(Invalid):
        await desk.discard(AN)
    desk.wait()
    await desk.discard(AN)
    assert await desk.record() == [("replayed", "An", ""), ("discarded", "An", "")]


async def test_a_second_mended_event_is_no_repeat_of_the_first(desk):
    await desk.cut(desk.edit(AN, ONE), "dead.decided")
    ended = await desk.edit(AN, TWO)
    assert await desk.sent() == [TWO.body]
    assert ended.ended.sent_to == "CONTENT #2"


async def test_a_second_mended_event_does_not_follow_one_that_was_sent(desk):
    await desk.cut(desk.edit(AN, ONE), "dead.replayed")
    with pytest.raises(Invalid) as caught:
        await desk.edit(AN, TWO)
    assert "edited by An" in str(caught.value)
    assert await desk.sent() == [ONE.body]
    assert await desk.record() == [("edited", "An", "CONTENT #2")]


async def test_two_mended_events_at_once_are_both_on_record_each_with_its_place(desk, monkeypatch):
    async def the_other(desk: Desk, _: Person) -> Any:
        return await desk.edit(AN, TWO)

    second = await desk.meanwhile(monkeypatch, desk.edit(AN, ONE), the_other)
    sent = await desk.sent()
    assert sent == [TWO.body, ONE.body]
    assert second.ended.sent_to == "CONTENT #2"
    assert await desk.record() == [("edited", "An", "CONTENT #2"), ("edited", "An", "CONTENT #3")]


async def test_a_message_id_that_says_something_else_is_noticed(desk):
    await desk.cut(desk.replay(AN), "dead.decided")
    [begun] = (await desk.letter()).decisions
    await desk.bus.publish(
        subjects.content("don-vi-khac", "submitted"), b"x", msg_id=begun.message_id
    )
    with pytest.raises(Invalid) as caught:
        await desk.replay(AN)
    assert [error.field for error in caught.value.errors] == ["id"]
    assert len(await listed(desk.letters)) == 1, "nothing of it was sent"
