"""The editorial log on a real bus: one of two is first, a repeat is one act, no text is lost."""

import asyncio
import gc
import tracemalloc

import pytest
import structlog

from consumers.editorial.log import EditorialLog
from consumers.key_file import KeyFile
from contracts import subjects
from contracts.editorial import Action, ActionKind, ItemState, Status
from contracts.editorial.action import RULE
from contracts.errors import Conflict
from producers.bus import Bus, NoReply, RevisionConflict
from tests.support.decisions import approve_item
from tests.support.editorial_world import START, a_text
from tests.support.events import corrected, submitted
from tests.support.records_forger import seal_new_records

ITEM = "tin-1"
SAVES = 30


def save(by: str, words: str, number: int = 0):
    """An act that saves a text, in every state of the item."""

    def decide(state: ItemState) -> Action:
        text = a_text(words)
        return Action(
            id=f"{by}-{number}",
            at=START,
            by=by,
            kind=ActionKind.SAVE,
            revision=max(state.revision + (state.status is Status.REJECTED), 1),
            hash=text.hash,
            text=text,
            prev=state.head,
        )

    return decide


def step(kind: ActionKind, by: str, **more):
    """An act without a text on the newest revision."""

    def decide(state: ItemState) -> Action:
        facts = {"revision": state.revision, "hash": state.hash, "prev": state.head}
        return Action(id=f"{kind}-{by}", at=START, by=by, kind=kind, **facts, **more)

    return decide


@pytest.fixture
def log(bus):
    return EditorialLog(bus)


async def texts(bus: Bus) -> list[str]:
    found = [Action.model_validate_json(one.data) async for one in bus.scan("EDITORIAL")]
    return [action.text.data["body"] for action in found]


async def test_an_act_is_read_again_by_every_process(bus, log):
    told = await log.act(ITEM, save("nv-an", "Một"))
    found = (await EditorialLog(bus).read(ITEM)).state
    assert found == told
    assert found.status is Status.DRAFT


async def test_of_two_people_at_once_nobodys_text_is_lost(bus, log):
    other = EditorialLog(bus)
    for number in range(SAVES):
        await asyncio.gather(
            log.act(ITEM, save("nv-an", f"An {number}", number)),
            other.act(ITEM, save("nv-binh", f"Bình {number}", number)),
        )
    kept = await texts(bus)
    assert len(kept) == 2 * SAVES
    assert {*kept} == {f"{who} {n}" for who in ("An", "Bình") for n in range(SAVES)}


async def test_who_is_second_sees_the_first_ones_text_before_deciding(bus, log):
    seen = []

    def look(state: ItemState) -> None:
        seen.append(state.text.data["body"] if state.text else "")

    def decide(state: ItemState) -> Action:
        look(state)
        return save("nv-binh", "Hai")(state)

    await log.act(ITEM, save("nv-an", "Một"))
    await log.act(ITEM, decide)
    assert seen == ["Một"]


async def test_an_act_whose_answer_was_lost_is_there_once(bus, log, monkeypatch):
    publish = Bus.publish

    async def silent(self, *args, **more):
        await publish(self, *args, **more)
        raise NoReply("lost")

    monkeypatch.setattr(Bus, "publish", silent)
    with pytest.raises(NoReply):
        await log.act(ITEM, save("nv-an", "Một"))
    monkeypatch.undo()
    await log.act(ITEM, save("nv-an", "Một"))
    assert await texts(bus) == ["Một"]


async def test_an_act_that_does_not_fit_is_not_stored(bus, log):
    def decide(state: ItemState) -> Action:
        return save("nv-an", "Một")(state).model_copy(update={"prev": "khac"})

    with pytest.raises(Conflict):
        await log.act(ITEM, decide)
    assert await texts(bus) == []


async def test_what_loa_did_not_seal_is_no_act_and_is_named(bus, log, tmp_path):
    forger = Bus(bus.connection)
    seal_new_records(bus, KeyFile.open(tmp_path / "vault.key"))
    before = await log.act(ITEM, save("nv-an", "Một"))
    forged = save("nv-em", "Giả")(before)
    seq = (await forger.publish(subjects.editorial(ITEM), forged.encode())).seq
    with structlog.testing.capture_logs() as logs:
        assert (await log.read(ITEM)).state == before
    assert [(one["event"], one["log_level"]) for one in logs] == [("act_not_sealed", "error")]
    assert (await log.audit()).foreign == {seq: "seal_missing"}
    assert (await log.act(ITEM, save("nv-binh", "Hai"))).text.data == {"body": "Hai"}


async def test_an_item_whose_acts_contradict_each_other_is_named_and_blocks_no_other(bus, log):
    await log.act(ITEM, save("nv-an", "Một"))
    lost = save("nv-an", "Hai", 2)(ItemState())
    seq = (await bus.publish(subjects.editorial(ITEM), lost.encode())).seq
    await log.act("tin-2", save("nv-an", "Ba"))
    with pytest.raises(Conflict):
        await log.read(ITEM)
    [(item, why)] = (await log.audit()).broken.items()
    assert item == ITEM and why.startswith(f"#{seq}: ")
    await log.open_items()
    assert (await log.read("tin-2")).state.status is Status.DRAFT


async def test_open_items_follow_what_is_new_as_a_fresh_reader_does(bus, log, intake_harness):
    await intake_harness.take_in(submitted(), "desk")
    assert [*await log.open_items()] == [submitted().data["content_id"]]
    await approve_item(
        intake_harness.intake.decisions, submitted().data["content_id"], "Trần Thị Bình"
    )
    assert await log.open_items() == {}
    await intake_harness.take_in(corrected(), "desk")
    assert await log.open_items() == await EditorialLog(bus).open_items() != {}


async def test_the_server_refuses_to_remove_an_act(bus, log):
    await log.act(ITEM, save("nv-an", "Một"))
    config = (await bus.stream_info("EDITORIAL"))["config"]
    assert (config["deny_delete"], config["deny_purge"]) == (True, True)


async def reject(log: EditorialLog, item: str, words: str) -> ItemState:
    await log.act(item, save("nv-an", words))
    await log.act(item, step(ActionKind.SUBMIT, "nv-an"))
    return await log.act(item, step(ActionKind.REJECT, "nv-binh", note="Sai."))


SETTLE = step(ActionKind.SETTLE, "loa", role=RULE)


async def test_what_was_read_is_not_read_again(bus, log, acts_read):
    for number in range(5):
        await reject(log, f"tin-{number}", "Một")
    await log.act("tin-5", save("nv-an", "Một"))
    await log.act("tin-5", step(ActionKind.SUBMIT, "nv-an"))
    reader = EditorialLog(bus)
    assert [*await reader.waiting_items()] == ["tin-5"]
    acts_read.clear()
    assert [*await reader.waiting_items()] == ["tin-5"]
    assert acts_read == []
    await log.act("tin-5", step(ActionKind.CONFIRM, "nv-chi"))
    acts_read.clear()
    assert (await reader.waiting_items())["tin-5"].status is Status.UNIT_CONFIRMED
    assert len(acts_read) == 1


async def test_each_save_of_a_draft_reads_what_is_new(bus, log, acts_read):
    for number in range(SAVES):
        await log.act(ITEM, save("nv-an", f"Bản {number}", number))
    assert len(acts_read) < 2 * SAVES
    acts_read.clear()
    assert await EditorialLog(bus).open_items() == {}
    assert len(acts_read) == SAVES


async def test_a_reader_of_what_waits_does_not_keep_what_is_settled(bus, log):
    for number in range(60):
        writer = EditorialLog(bus)
        await reject(writer, f"tin-{number}", "x" * 200_000)
        await writer.act(f"tin-{number}", SETTLE)
    tracemalloc.start()
    try:
        assert await log.waiting_items() == {}
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 6_000_000  # the client keeps its last page for a moment


async def test_a_rejection_is_told_to_every_process_until_it_is_settled(bus, log):
    rejected = await reject(log, ITEM, "Một")
    for reader in (log, EditorialLog(bus)):
        assert await reader.open_items() == {ITEM: rejected}
    await log.act(ITEM, SETTLE)
    for reader in (log, EditorialLog(bus)):
        assert await reader.open_items() == {}


async def test_a_later_rejection_is_told_although_an_earlier_one_is_settled(bus, log):
    await reject(log, ITEM, "Một")
    await log.act(ITEM, SETTLE)
    await log.open_items()
    await log.act(ITEM, save("nv-an", "Hai", 2))
    await log.act(ITEM, step(ActionKind.SUBMIT, "nv-chi"))
    second = await log.act(ITEM, step(ActionKind.REJECT, "nv-dung", note="Sai."))
    assert await log.open_items() == {ITEM: second}


async def test_two_readers_at_once_see_what_one_sees(bus, log):
    for number in range(SAVES):
        await reject(log, f"tin-{number % 7}", f"Bản {number}")
    reader = EditorialLog(bus)
    seen = await asyncio.gather(*(reader.open_items() for _ in range(4)))
    assert seen == [await EditorialLog(bus).open_items()] * 4


async def test_a_text_that_people_wrote_and_approved_has_no_problem(bus, log):
    await log.act(ITEM, save("nv-an", "Một"))
    for kind, by in (
        (ActionKind.SUBMIT, "nv-an"),
        (ActionKind.CONFIRM, "nv-binh"),
        (ActionKind.PROPOSE, "nv-chi"),
        (ActionKind.APPROVE, "nv-dung"),
    ):
        await log.act(ITEM, step(kind, by))
    assert (await log.audit()).broken == {}


async def test_an_act_that_the_server_took_for_a_repeat_is_not_told_as_stored(bus, log):
    await bus.publish(subjects.editorial("tin-2"), b"{}", msg_id=f"{ITEM}.nv-an-0")
    with pytest.raises(RevisionConflict):
        await log.act(ITEM, save("nv-an", "Một"))
    assert (await log.read(ITEM)).state == ItemState()


async def test_of_one_act_with_two_texts_both_are_told_the_stored_one(bus, log):
    other = EditorialLog(bus)
    for number in range(10):
        item = f"tin-{number}"
        told = await asyncio.gather(
            log.act(item, save("nv-an", "Một")), other.act(item, save("nv-an", "Hai"))
        )
        assert told == [(await log.read(item)).state] * 2
