"""Which uploaded files are unused: what no draft and no item that is out names any more."""

import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from consumers.editorial.log import EditorialLog
from consumers.operations.retention import UnusedUploads
from consumers.uploads.unused import UnusedFiles, _Revisions, _Uses
from contracts import events
from contracts.desk.uploads import UploadAddress
from contracts.editorial import UNSENT, Action, ActionKind, EditorialText, ItemState, state_after
from contracts.editorial.action import AUTOMATIC_RELEASE, RULE, UNIT_SYSTEM
from producers.object_store import ObjectStore
from tests.support.editorial_world import EditorialWorld
from tests.support.events import ITEM, UNIT, submitted, withdrawn
from tests.support.intake_harness import IntakeHarness

K = ActionKind
CONTENT, OTHER = b"%PDF one", b"%PDF other"
LATER, BEFORE = timedelta(days=1), -timedelta(days=1)


def address_of(content: bytes) -> UploadAddress:
    return UploadAddress(hashlib.sha256(content).hexdigest(), "a.pdf")


def attached(*contents: bytes) -> list[dict[str, str]]:
    base = "https://thong-bao.example.gov.vn"
    return [{"url": base + address_of(one).path, "title": "Văn bản"} for one in contents]


@pytest.fixture
async def store(bus):
    store = ObjectStore(bus)
    for content in (CONTENT, OTHER):
        await store.put(address_of(content).hash, [content], {})
    return store


async def act(bus, kind, text=None, by="nv-an", revision=None, **more) -> None:
    def decide(state) -> Action:
        number = text.data["revision"] if text else revision or state.revision
        return Action(
            id=f"{kind}.{state.head[:8]}", at=datetime.now(UTC), by=by, kind=kind, revision=number,
            hash=text.hash if text else state.hash_of(number), text=text, prev=state.head, **more,
        )  # fmt: skip

    await EditorialLog(bus).act(ITEM, decide)


def a_text(*contents: bytes, revision: int = 1) -> EditorialText:
    data = submitted(ITEM).data | {"attachments": attached(*contents), "revision": revision}
    return EditorialText(unit=UNIT, type=events.SUBMITTED, data=data)


async def unused(bus, after: timedelta = LATER) -> set[str]:
    found = UnusedFiles(bus).find(datetime.now(UTC) + after)
    return {one.info.name async for _, one in found}


ONE, TWO = address_of(CONTENT).hash, address_of(OTHER).hash


async def test_what_was_never_named_is_unused_once_it_is_old(bus, store):
    assert await unused(bus) == {ONE, TWO}
    assert await unused(bus, BEFORE) == set()


async def test_a_draft_uses_what_it_names_until_it_changes_or_ends(bus, store):
    await act(bus, K.SAVE, a_text(CONTENT, OTHER))
    assert await unused(bus) == set()
    await act(bus, K.SAVE, a_text(OTHER))
    assert await unused(bus) == {ONE}
    await act(bus, K.SUBMIT)
    await act(bus, K.REJECT, by="nv-lanh-dao", note="Trùng.")
    assert await unused(bus) == {ONE, TWO}
    assert await unused(bus, BEFORE) == set(), "for a while after the rejection"


SYSTEM = {"by": UNIT, "role": UNIT_SYSTEM}
LOA = {"by": "loa", "role": RULE}


async def release(bus, text: EditorialText) -> None:
    """A unit's system sends a text that a rule approves, and that is about to go out."""
    await act(bus, K.RECEIVE, text, rule=AUTOMATIC_RELEASE, **SYSTEM)


async def test_a_draft_uses_its_files_whatever_ends_the_text_before_it(bus, store):
    await release(bus, a_text(OTHER))
    await act(bus, K.PUBLISH, **LOA)
    await act(bus, K.SAVE, a_text(CONTENT, revision=2))
    await act(bus, K.WITHDRAW, by="nv-binh", note="Sai.", revision=1)
    assert await unused(bus) == {TWO}


@pytest.mark.parametrize("kind", [K.PUBLISH, K.SUPERSEDE])
async def test_a_text_that_waits_uses_its_files_when_the_one_before_is_carried_out(
    bus, store, kind
):
    await release(bus, a_text(OTHER))
    await act(bus, K.RECEIVE, a_text(CONTENT, revision=2), **SYSTEM)
    assert await unused(bus) == set(), "the first one is still to go out"
    await act(bus, kind, revision=1, **LOA)
    assert await unused(bus) == {TWO}


async def test_a_units_text_that_a_newer_one_has_replaced_or_that_is_withdrawn_uses_no_file(
    bus, store
):
    await act(bus, K.RECEIVE, a_text(CONTENT), **SYSTEM)
    await act(bus, K.RECEIVE, a_text(OTHER, revision=2), **SYSTEM)
    assert await unused(bus) == {ONE}
    assert await unused(bus, BEFORE) == set(), "for a while"
    await act(bus, K.WITHDRAW, note="Nhầm.", **SYSTEM)
    assert await unused(bus) == {ONE, TWO}


async def test_a_persons_text_that_a_units_event_overtook_uses_its_files_until_the_withdrawal(
    bus, store
):
    """The people at work on it read it in the history, and may take it up again."""
    await act(bus, K.SAVE, a_text(CONTENT))
    await act(bus, K.RECEIVE, a_text(revision=2), **SYSTEM)
    assert await unused(bus) == {TWO}
    await act(bus, K.EDIT, a_text(OTHER, revision=2), by="nv-binh")
    await act(bus, K.REJECT, by="nv-lanh-dao", note="Trùng.")
    assert await unused(bus) == {TWO}, "a person ended that one"
    await act(bus, K.RECEIVE, a_text(revision=3), **SYSTEM)
    await act(bus, K.WITHDRAW, note="Nhầm.", **SYSTEM)
    assert await unused(bus) == {ONE, TWO}


async def test_an_item_uses_what_it_ever_published_until_it_is_withdrawn(bus, clock, store):
    desk = IntakeHarness(bus, clock)
    await desk.take_in(submitted(attachments=attached(CONTENT)))
    assert await unused(bus) == {TWO}
    await desk.take_in(submitted(revision=2, attachments=attached(OTHER)))
    assert await unused(bus) == set()
    await desk.take_in(withdrawn())
    assert await unused(bus) == {ONE, TWO}


async def test_the_sweep_erases_what_is_unused_and_nothing_else(bus, clock, store):
    await act(bus, K.SAVE, a_text(OTHER))
    rule = UnusedUploads(UnusedFiles(bus), clock)
    due = [one async for one in rule.due(datetime.now(UTC) + LATER)]
    assert [await one.remove() for one in due] == [True]
    assert await store.find(ONE) is None and await store.find(TWO)
    assert b"".join([one async for one in store.read(await store.find(TWO))]) == OTHER


def test_in_random_stories_what_may_still_go_out_and_nothing_else_uses_its_file():
    seen = 0
    for seed in range(40):
        world = EditorialWorld(seed)
        world.run()
        uses, revisions, state = _Uses(), _Revisions("a"), ItemState()
        overtaken: dict[int, str] = {}
        for action in world.log.actions:
            overtaken = still_overtaken(overtaken, state, action)
            state = state_after(state, action)
            named = frozenset({file_of(action.revision, action.hash)} if action.text else ())
            revisions.take(action, named, action.at, uses)
            kept = {file_of(*one) for one in overtaken.items()}
            assert uses.in_use() == may_go_out(state) | kept, (seed, action.kind)
            seen += len(overtaken)
    assert seen, "some are overtaken"


def still_overtaken(before: dict[int, str], state: ItemState, action: Action) -> dict[int, str]:
    """The texts of people, by revision, in whose place *action* or an event before it has come."""
    if action.kind is K.WITHDRAW:
        return {number: hash for number, hash in before.items() if number > action.revision}
    is_open = state.status in UNSENT or state.is_undecided
    if action.kind is K.RECEIVE and is_open and is_of_people(state):
        return before | {state.revision: state.hash}
    return before


def is_of_people(state: ItemState) -> bool:
    return bool(state.last_editor) or state.unit_checker != state.text.unit


def file_of(revision: int, hash: str) -> str:
    return f"{revision}.{hash}"


def may_go_out(state: ItemState) -> set[str]:
    """A file for each text that a person still works on, or that is approved and not yet out."""
    approved = {number: one.hash for number, one in state.approved.items() if number > state.ended}
    waiting = {state.revision: state.hash} if state.status in UNSENT or state.is_undecided else {}
    return {file_of(*one) for one in (approved | waiting).items()}
