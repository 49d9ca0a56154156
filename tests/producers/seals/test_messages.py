"""Sealed messages of a stream: what another writer publishes is told from Loa's own."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from contracts import subjects
from contracts.base.seals import SEAL_HEADER, Sealer
from producers.bus import Message
from producers.seals import (
    MESSAGE_ID_HEADER,
    MessageSeals,
    RefusedSeals,
    message_problem,
    publish_sealed,
)

SUBJECT = "receipt.zalo.inbound"
STREAM = subjects.RECEIPTS.name


@pytest.fixture
def until():
    """The time until which messages need no seal; a test may change it."""
    return [datetime(1970, 1, 1, tzinfo=UTC)]


@pytest.fixture
def seals(bus, until):
    async def taken_over_until():
        return until[0]

    seals = bus.message_seals["receipt.zalo"] = MessageSeals(Sealer(b"k" * 32), taken_over_until)
    return seals


@pytest.fixture
async def genuine(bus, seals) -> Message:
    await publish_sealed(bus, SUBJECT, b'{"kind": "inbound"}', "event-1")
    return await bus.get_message(STREAM, 1)


FORGERIES = {
    "without a seal": (lambda one: replace(one, headers={}), "seal_missing"),
    "moved": (lambda one: replace(one, subject="receipt.zalo.follow"), "seal_wrong"),
    "cut": (lambda one: replace(one, data=one.data[:-1]), "seal_wrong"),
    "changed": (lambda one: replace(one, data=one.data.upper()), "seal_wrong"),
    "again under another id": (
        lambda one: replace(one, headers=dict(one.headers) | {MESSAGE_ID_HEADER: "other"}),
        "seal_wrong",
    ),
    "again without an id": (
        lambda one: replace(one, headers={SEAL_HEADER: one.headers[SEAL_HEADER]}),
        "seal_wrong",
    ),
    "of another key": (
        lambda one: replace(one, headers={SEAL_HEADER: "v1.00000000.AAAA"}),
        "seal_other_key",
    ),
    "of a kind without seals": (lambda one: replace(one, subject="receipt.fax.x"), "seal_missing"),
}


@pytest.mark.parametrize(("forge", "problem"), FORGERIES.values(), ids=FORGERIES)
async def test_a_foreign_message_is_told_from_a_genuine_one(bus, genuine, forge, problem):
    assert await message_problem(bus, genuine) == ""
    assert await message_problem(bus, forge(genuine)) == problem


async def test_a_repeat_is_stored_once_although_a_foreign_message_has_its_name_as_id(bus, seals):
    await bus.publish(SUBJECT, b"foreign", msg_id="event-1")
    acks = [await publish_sealed(bus, SUBJECT, b"{}", "event-1") for _ in range(2)]
    assert [(ack.seq, ack.duplicate) for ack in acks] == [(2, False), (2, True)]
    assert await message_problem(bus, await bus.get_message(STREAM, 2)) == ""


async def test_what_is_older_than_the_take_over_needs_no_seal_but_a_wrong_one_is_none(
    bus, genuine, until
):
    until[0] = genuine.time
    problems = {name: await message_problem(bus, f(genuine)) for name, (f, _) in FORGERIES.items()}
    assert {name for name, problem in problems.items() if not problem} == {
        "without a seal",
        "of another key",
    }


async def test_without_the_key_of_its_data_a_machine_writes_nothing(bus):
    bus.message_seals["receipt.zalo"] = RefusedSeals(PermissionError("no key"))
    with pytest.raises(PermissionError):
        await publish_sealed(bus, SUBJECT, b"{}", "event-1")
    assert await bus.get_message(STREAM, 1) is None
