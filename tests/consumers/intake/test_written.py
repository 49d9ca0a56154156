"""Texts that people write at the desk: position, return, decision, as intake carries them out."""

import asyncio

import pytest

from consumers.intake import desk_acts, written
from consumers.intake.handler import Intake
from consumers.intake.items import Position
from contracts import events, subjects
from contracts.editorial import Action, ActionKind, EditorialText, ItemState
from contracts.errors import Conflict
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from producers.bus.records import require
from tests.support.clock import FakeClock
from tests.support.crashing_bus import crash_at
from tests.support.events import (
    ITEM,
    UNIT,
    refusal,
    register_unit,
    released_publications,
    submitted,
)

K = ActionKind
WRITER, LEADER, EDITOR, APPROVER = "nv-viet", "nv-lanh-dao", "nv-bien-tap", "nv-duyet"


def a_text(revision: int = 1, **changes) -> EditorialText:
    data = submitted(ITEM).data | {"revision": revision} | changes
    id = written.event_id(UNIT, ITEM, revision)
    facts = {"unit": UNIT, "type": events.SUBMITTED, "event_id": id, "submitter": WRITER}
    return EditorialText(data=data, **facts)


class Newsroom:
    """Acts of people on one item, which intake carries out."""

    def __init__(self, bus: Bus, clock: FakeClock) -> None:
        self.bus, self.intake = bus, Intake(bus, DEFAULT, clock)
        self.desk = self.intake.decisions
        self.clock = clock

    async def act(
        self, kind: ActionKind, by: str, text: EditorialText | None = None, *, item=ITEM, **more
    ):
        def decide(state: ItemState) -> Action:
            return Action(
                id=f"{kind}.{state.head[:8]}", at=self.clock.now, by=by, kind=kind,
                revision=text.data["revision"] if text else state.revision,
                hash=text.hash if text else state.hash, text=text, prev=state.head, **more,
            )  # fmt: skip

        await self.desk.log.act(item, decide)

    async def sent(self) -> None:
        await self.act(K.SAVE, WRITER, a_text())
        await self.act(K.SUBMIT, WRITER)

    async def proposed(self) -> None:
        await self.sent()
        await self.act(K.CONFIRM, LEADER)
        await self.act(K.EDIT, EDITOR, a_text(title="Tin đã biên tập", channels=["portal"]))
        await self.act(K.PROPOSE, EDITOR)

    async def carried_out(self) -> Position:
        await self.desk.carry_out(ITEM)
        return require(await self.desk.repository.position(ITEM, 1))


@pytest.fixture
async def newsroom(bus: Bus, clock: FakeClock) -> Newsroom:
    await register_unit(bus, release="desk")
    return Newsroom(bus, clock)


async def test_a_text_has_its_position_from_the_moment_it_is_sent(newsroom):
    await newsroom.act(K.SAVE, WRITER, a_text())
    await newsroom.desk.carry_out(ITEM)
    assert await newsroom.desk.repository.position(ITEM, 1) is None
    await newsroom.act(K.SUBMIT, WRITER)
    position = await newsroom.carried_out()
    assert (position.state, position.submitter, position.policy) == ("waiting", WRITER, "desk")
    assert await newsroom.carried_out() == position


async def test_an_edited_text_goes_out_under_its_new_title_and_channels(bus, newsroom):
    await newsroom.proposed()
    assert (await newsroom.carried_out()).title == "Tin đã biên tập"
    await newsroom.act(K.APPROVE, APPROVER)
    position = await newsroom.carried_out()
    assert (position.state, position.decision.by) == ("released", APPROVER)
    [released] = await released_publications(bus)
    assert (released["title"], released["channels"]) == ("Tin đã biên tập", ["portal"])


async def test_the_record_says_why_a_text_went_back_until_it_is_sent_again(newsroom):
    await newsroom.sent()
    await newsroom.carried_out()
    await newsroom.act(K.RETURN, LEADER, note="Thiếu căn cứ.")
    position = await newsroom.carried_out()
    assert (position.state, position.code, position.reason) == (
        *("waiting", written.RETURNED_CODE),
        "Thiếu căn cứ.",
    )
    await newsroom.act(K.SAVE, WRITER, a_text(title="Có căn cứ"))
    await newsroom.act(K.SUBMIT, WRITER)
    position = await newsroom.carried_out()
    assert (position.code, position.reason, position.title) == ("", "", "Có căn cứ")


@pytest.mark.parametrize(
    "point", ["desk.position_taken", "desk.position_opened", "release.stored", "desk.carried_out"]
)
async def test_a_crash_while_an_act_is_carried_out_releases_it_once(bus, newsroom, point):
    await newsroom.proposed()
    await newsroom.act(K.APPROVE, APPROVER)
    with crash_at(point):
        await newsroom.carried_out()
    assert (await newsroom.carried_out()).state == "released"
    assert len(await released_publications(bus)) == 1


async def test_acts_of_one_item_are_carried_out_in_order_and_those_of_others_meanwhile(
    bus, newsroom, monkeypatch
):
    intake, other, order = newsroom.intake, "tin-khac", list[tuple[str, str]]()
    carry_out = intake.carry_out

    async def noted(content_id: str, act: Action) -> None:
        await carry_out(content_id, act)
        order.append((content_id, act.kind))

    monkeypatch.setattr(intake, "carry_out", noted)
    await newsroom.proposed()
    await newsroom.act(K.APPROVE, APPROVER)
    await newsroom.act(K.SAVE, WRITER, a_text(content_id=other), item=other)
    await newsroom.act(K.SUBMIT, WRITER, item=other)
    found = [message async for message in bus.scan(subjects.EDITORIAL.name)]
    async with asyncio.timeout(30):
        lock = intake.locks.setdefault(ITEM, asyncio.Lock())
        async with lock, asyncio.TaskGroup() as tasks:
            mine = [m for m in found if m.subject == subjects.editorial(ITEM)]
            begun = [asyncio.create_task(intake.on_act(message)) for message in mine]
            for message in found:
                if message not in mine:
                    tasks.create_task(intake.on_act(message))
        assert order == [(other, K.SUBMIT)], "an item that takes long holds no other one up"
        await asyncio.gather(*begun)
    assert order[1:] == [
        (ITEM, kind) for kind in (K.SUBMIT, K.CONFIRM, K.EDIT, K.PROPOSE, K.APPROVE)
    ]
    assert len(await released_publications(bus)) == 1


async def take_back_behind_a_reader(newsroom, kind: ActionKind) -> Position:
    """Take an approval back by *kind*, before a process that has read it carries it out."""
    await newsroom.proposed()
    await newsroom.carried_out()
    await newsroom.act(K.APPROVE, APPROVER)
    approved = (await newsroom.desk.log.read(ITEM)).state
    await newsroom.act(K.EDIT, EDITOR, a_text(title="Tin sửa sau duyệt"))
    await newsroom.act(kind, APPROVER, note="Thôi.")
    [draft] = desk_acts.drafts_of(ITEM, approved).values()
    assert not await newsroom.desk.finish_draft(draft, approved)
    return await newsroom.carried_out()


@pytest.mark.promise("2.4")
async def test_a_text_that_was_returned_after_its_approval_can_be_approved_again(bus, newsroom):
    assert (await take_back_behind_a_reader(newsroom, K.RETURN)).state == "waiting"
    for kind, by in ((K.SUBMIT, WRITER), (K.CONFIRM, LEADER), (K.PROPOSE, EDITOR)):
        await newsroom.act(kind, by)
    await newsroom.act(K.APPROVE, APPROVER)
    assert (await newsroom.carried_out()).state == "released"
    [released] = await released_publications(bus)
    assert released["title"] == "Tin sửa sau duyệt"


@pytest.mark.promise("2.4")
async def test_a_text_that_was_rejected_after_its_approval_is_refused(bus, newsroom):
    position = await take_back_behind_a_reader(newsroom, K.REJECT)
    assert (position.state, position.decision.verdict) == ("refused", "rejected")
    assert await released_publications(bus) == []


async def test_an_event_refused_for_a_draft_of_its_number_leaves_the_draft_its_position(newsroom):
    await newsroom.act(K.SAVE, WRITER, a_text())
    fields = await refusal(newsroom.intake.handle(submitted(), UNIT), Conflict)
    assert fields == ["data.revision"]
    assert (await newsroom.carried_out()).state == "refused"
    await newsroom.act(K.SUBMIT, WRITER)
    position = await newsroom.carried_out()
    assert (position.state, position.submitter) == ("waiting", WRITER)
    item = await newsroom.desk.repository.require_item(ITEM)
    assert item.positions == {1: a_text().event_id}
