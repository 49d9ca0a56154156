"""What the buckets say after a restore still holds: the rest is forgotten, or in doubt."""

import pytest
import structlog

from consumers.dead_letters.decisions import DeadLetterDecisions, Operator
from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import DeadLetterStore
from consumers.ledger import codec, watermark
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from consumers.operations import backup
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName, PlanKey, Status
from contracts.errors import field_error
from producers.bus import topology
from tests.support.events import ITEM, UNIT
from tests.support.restored_bus import CLERK, during_backup, restored_bus, save_bus

LETTER_OF = MessageOrigin(subject=subjects.content(UNIT, "submitted"), stream="CONTENT", seq=7)
AFTER_DEAD = backup.SAVE_ORDER.index(subjects.DEAD.name) + 1
AFTER_LEDGER = backup.SAVE_ORDER.index(f"KV_{subjects.LEDGER.name}") + 1
WRONG = [field_error("data.title", "missing")]


async def test_a_decision_made_during_the_backup_ends_no_letter_of_later(
    bus, tmp_path, clock, monkeypatch
):
    """Its letter is not in the backup; the next one takes the same place."""

    async def decide(bus):
        dead = DeadLetterStore(bus)
        await dead.bury("intake", LETTER_OF, b"{", WRONG)
        [letter] = [one async for one in dead.letters()]
        await DeadLetterDecisions(dead).discard(letter, Operator(CLERK, "rác"))

    with during_backup(monkeypatch, backup.SAVE_ORDER[AFTER_DEAD], decide):
        await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        dead = DeadLetterStore(new)
        await dead.bury("intake", LETTER_OF, b"[", WRONG)
        [letter] = [one async for one in dead.letters()]
        assert (letter.id, letter.decisions) == (1, ())


@pytest.mark.parametrize("after", [0, AFTER_LEDGER], ids=["before", "during"])
async def test_where_the_ledger_s_open_part_began_is_forgotten(
    bus, tmp_path, clock, monkeypatch, after
):
    def move(bus):
        return watermark.write_watermark(bus, 4711)

    with during_backup(monkeypatch, backup.SAVE_ORDER[after], move):
        await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        assert await watermark.read_watermark(new) == 1


async def test_a_plan_that_can_not_be_read_is_named_and_stops_no_restore(bus, tmp_path, clock):
    ledger = Ledger(bus)
    plan = PlanKey(ChannelName.EMAIL, "tin-dang-do", 1)
    await ledger.create_plan(plan, PlanCursor(source=1))
    for key, body in (("plan.email.hong.1", b'{"v":1}'), ("plan.email.la.1", b'{"v":9}')):
        await ledger.bucket.put(key, body)
    await ledger.bucket.put("state.email.hong.1.0", b"\xff")
    await save_bus(bus, tmp_path, clock)
    with structlog.testing.capture_logs() as logs:
        async with restored_bus(tmp_path, clock) as new:
            assert not await topology.stream_exists(new, topology.RESTORING_STREAM)
            held = await Ledger(new).plan(plan)
            assert held.value.doubt, "the others are in doubt all the same"
    named = {(line["event"], line["key"]) for line in logs if line["log_level"] == "error"}
    assert named == {
        ("plan_unreadable", "plan.email.hong.1"),
        ("plan_unreadable", "plan.email.la.1"),
        ("batch_unreadable", "state.email.hong.1.0"),
    }


async def test_what_was_on_the_wire_at_the_backup_comes_back_in_doubt(bus, tmp_path, clock):
    ledger, batch = Ledger(bus), BatchKey(ChannelName.EMAIL, ITEM, 1, 0)
    sending = LedgerEntry(b"dsSp", owner="h.email.0#ab#1", lease_until=clock() + 60)
    await ledger.bucket.put(f"state.{batch}", codec.encode_state(sending))
    await save_bus(bus, tmp_path, clock)
    async with restored_bus(tmp_path, clock) as new:
        held = await Ledger(new).state(batch)
    assert held.value.count_by_status() == {Status.DELIVERED: 1, Status.IN_DOUBT: 3}
    assert (held.value.owner, held.value.possible_copies) == ("", 1)
