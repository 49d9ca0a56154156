"""`loa zalo settle`: a person has looked, and an unknown broadcast has an end."""

from dataclasses import replace

import pytest

from consumers.ledger import moves
from consumers.ledger.entry import Status, planned_entry
from consumers.operations.manual_resolution import ManualResolution
from consumers.progress import progress_to
from contracts.delivery import BatchKey, ChannelName, Lane, PlanKey
from tests.support.cli import json_output
from tests.support.ledger_plan import store_plan

ITEM, CLERK = "lich-nghi-tet", "Trần Thị Bình"
ZALO = ChannelName.ZALO


@pytest.fixture
def store_unknown_row(ledger):
    """Store an item's plan on Zalo whose rows have the status *letters*."""

    async def book(letters, revision=1):
        plan = PlanKey(ZALO, ITEM, revision)
        await store_plan(ledger, plan, ["article", "broadcast"], source=1)
        batch = BatchKey(*plan, 0)
        state = await ledger.state(batch)
        entry = replace(state.value, rows=letters, closed_at=1.0)
        await ledger.swap(batch, state, entry, until=float("inf"))
        return batch

    return book


async def rows(ledger, batch):
    return (await ledger.state(batch)).value


@pytest.mark.parametrize("letter", b"kK")
@pytest.mark.parametrize(("arrived", "then"), [(True, "d"), (False, "x")])
async def test_what_one_saw_ends_it_and_says_who(ledger, store_unknown_row, letter, arrived, then):
    batch = await store_unknown_row(b"d" + bytes([letter]))
    [done] = await ManualResolution(ledger, ZALO).resolve(ITEM, None, arrived=arrived, by=CLERK)
    assert (done.batch, done.recipient, done.arrived) == (batch, "broadcast", arrived)
    entry = await rows(ledger, batch)
    assert entry.rows == f"d{then}".encode()
    assert entry.notes[1].reason == f"settled by {CLERK}"
    assert entry.closed_at == 1.0


@pytest.mark.parametrize("letter", b"psrdxuewvPSRDXUEWV")
def test_only_the_unknown_is_a_persons_business(letter):
    entry = replace(planned_entry(1, Lane.NORMAL, 0.0), rows=bytes([letter]))
    for arrived in (True, False):
        assert moves.end_unknown(entry, 1.0, arrived=arrived, reason="settled by somebody") == entry


async def test_what_one_saw_arrive_has_its_time(ledger, store_unknown_row):
    batch = await store_unknown_row(b"kk")
    created = (await rows(ledger, batch)).created
    settlement = ManualResolution(ledger, ZALO, clock=lambda: created + 7.0)
    await settlement.resolve(ITEM, None, arrived=True, by=CLERK)
    assert set((await rows(ledger, batch)).progress) == {7.0}


async def test_one_revision_may_be_meant_alone(ledger, store_unknown_row):
    first, second = await store_unknown_row(b"dk"), await store_unknown_row(b"dk", 2)
    settlement = ManualResolution(ledger, ZALO)
    assert len(await settlement.resolve(ITEM, 2, arrived=True, by=CLERK)) == 1
    assert (await rows(ledger, first)).rows == b"dk"
    assert (await rows(ledger, second)).rows == b"dd"
    assert len(await settlement.resolve(ITEM, None, arrived=False, by=CLERK)) == 1
    assert (await rows(ledger, first)).count_by_status()[Status.FAILED] == 1


async def test_many_tell_how_far_they_are(ledger, store_unknown_row):
    for revision in (1, 2):
        await store_unknown_row(b"dk", revision)
    told, resolution = list[tuple[str, int, int]](), ManualResolution(ledger, ZALO)
    with progress_to(lambda *progress: told.append(progress)):
        assert len([row async for row in resolution.unknown_rows()]) == 2
        await resolution.resolve(ITEM, None, arrived=True, by=CLERK)
    assert told == [("batches", 1, 0), ("batches", 2, 0), ("batches", 0, 2), ("batches", 1, 2)]


async def test_a_receipt_that_comes_first_has_told_already(ledger, store_unknown_row):
    batch = await store_unknown_row(b"dk")
    swap = ledger.swap

    async def after_a_receipt(key, held, entry, *, until):
        ledger.swap = swap
        told = moves.apply_evidence(held.value, 1, 1.0)
        await swap(key, held, told, until=until)
        return await swap(key, held, entry, until=until)

    ledger.swap = after_a_receipt
    assert await ManualResolution(ledger, ZALO).resolve(ITEM, None, arrived=False, by=CLERK) == []
    assert (await rows(ledger, batch)).rows == b"dd"


@pytest.fixture
def command(loa):
    return loa.extended("zalo", "settle", "--yes")


async def test_the_command_ends_it_and_another_finds_nothing(command, store_unknown_row, ledger):
    batch = await store_unknown_row(b"dk")
    told = await command(ITEM, "--sent", "--by", CLERK, "--json")
    assert told.exit_code == 0, told.output
    said = {"batch": str(batch), "recipient": "broadcast", "arrived": True}
    assert json_output(told) == [said]
    again = await command(ITEM, "--not-sent", "--by", CLERK)
    assert again.exit_code == 2
    assert "content_id" in again.stderr
    assert (await rows(ledger, batch)).rows == b"dd"


async def test_nobody_is_no_name_and_a_verdict_has_to_be_given(command, store_unknown_row):
    await store_unknown_row(b"dk")
    assert (await command(ITEM, "--sent", "--by", " ")).exit_code == 2
    assert (await command(ITEM, "--by", CLERK)).exit_code == 2
