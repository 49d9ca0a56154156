"""A bucket of sealed records: what another writer stores is no record, and an old one neither."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import structlog

from contracts import subjects
from contracts.base.seals import SEAL_HEADER, Sealer
from producers.bus import BatchEntry, GroupedReads, Message, RevisionConflict
from producers.bus.grouped import reads as grouped_reads
from producers.bus.publish import EXPECTED_REVISION_HEADER
from producers.seals import BucketSeals, NotSealed

NAME, KEY = subjects.LEDGER.name, "state.email.tin-1.1.0"
STREAM, SUBJECT = f"KV_{NAME}", f"$KV.{NAME}.{KEY}"
NOTHING_BEFORE = datetime(1970, 1, 1, tzinfo=UTC)


@pytest.fixture
def until():
    """The time until which records need no seal; a test may change it."""
    return [NOTHING_BEFORE]


@pytest.fixture
def seals(bus, until):
    async def taken_over_until():
        return until[0]

    seals = BucketSeals(NAME, Sealer(b"k" * 32), taken_over_until, lambda key: key == "exempt")
    seals.attach(bus)
    return seals


@pytest.fixture
def bucket(bus, seals):
    return bus.bucket(NAME)


async def stored(bus, subject: str = SUBJECT) -> Message:
    return await bus.last_message(STREAM, subject)


async def write(bus, message: Message, **changes) -> int:
    """Publish *message* as it is stored, by a writer without the key."""
    made = replace(message, **changes)
    kept = {SEAL_HEADER, EXPECTED_REVISION_HEADER}
    headers = {name: text for name, text in made.headers.items() if name in kept}
    return (await bus.publish(made.subject, made.data, headers=headers)).seq


async def test_every_way_to_write_is_read_back(bus, bucket):
    first = await bucket.create(KEY, b"1")
    second = await bucket.swap(KEY, b"2", first)
    await bucket.batch([BatchEntry(KEY, b"3", second), BatchEntry(KEY + "1", b"4", 0)])
    assert (await bucket.get(KEY)).data == b"3"
    assert {key: one.data async for key, one in bucket.values("state.")} == {
        KEY: b"3",
        KEY + "1": b"4",
    }
    assert set(await bucket.get_many([KEY, KEY + "1"])) == {KEY, KEY + "1"}


async def test_callers_who_share_a_read_learn_each_that_a_record_is_another_writer_s(
    bus, bucket, monkeypatch
):
    monkeypatch.setattr(grouped_reads, "MOST_ALONE", 1)
    await bucket.create(KEY, b"1")
    await bus.publish(f"{SUBJECT}1", b"forged")
    keys = [KEY, KEY, f"{KEY}1", f"{KEY}1", f"{KEY}2"]
    reads = GroupedReads(bucket)
    found = await asyncio.gather(*map(reads.get, keys), return_exceptions=True)
    assert [one.data for one in found[:2]] == [b"1", b"1"]
    assert [type(one) for one in found[2:]] == [NotSealed, NotSealed, type(None)]


async def test_a_purged_record_can_be_created_again(bucket):
    await bucket.create(KEY, b"1")
    await bucket.purge(KEY)
    assert await bucket.get(KEY) is None
    await bucket.create(KEY, b"2")
    assert (await bucket.get(KEY)).data == b"2"


@pytest.mark.parametrize(
    "changes",
    [
        {"headers": {}},
        {"headers": {SEAL_HEADER: "v1.00000000.AAAA"}},
        {"data": b"forged"},
        {"subject": f"$KV.{NAME}.state.email.tin-2.1.0"},
    ],
    ids=["no seal", "seal of no key", "other value", "other key"],
)
async def test_what_another_writer_stores_is_no_record_and_an_alarm(bus, seals, bucket, changes):
    await bucket.create(KEY, b"1")
    message = await stored(bus)
    headers = {SEAL_HEADER: message.headers[SEAL_HEADER]}  # it expects no revision
    subject = changes.get("subject", SUBJECT)
    await write(bus, message, **({"headers": headers} | changes))
    key = subject.removeprefix(f"$KV.{NAME}.")
    with structlog.testing.capture_logs() as logs:
        with pytest.raises(NotSealed) as refused:
            await bucket.get(key)
        assert key not in await bucket.get_many([key])
        assert key not in [one async for one, _ in bucket.values("")]
    assert refused.value.revision == (await stored(bus, subject)).seq
    assert [(one["event"], one["key"]) for one in logs] == [("record_not_sealed", key)]
    assert set(seals.refused) == {key}


async def test_an_older_record_can_not_be_stored_again(bus, bucket):
    first = await bucket.create(KEY, b"to be sent")
    older = await stored(bus)
    await bucket.swap(KEY, b"delivered", first)
    with pytest.raises(RevisionConflict):  # by the server: its header expects no revision
        await write(bus, older)
    assert (await bucket.get(KEY)).data == b"delivered"
    for is_swap in (False, True):
        seq = str((await stored(bus)).seq)
        expected = {EXPECTED_REVISION_HEADER: seq} if is_swap else {}
        await write(bus, older, headers={SEAL_HEADER: older.headers[SEAL_HEADER]} | expected)
        with pytest.raises(NotSealed):
            await bucket.get(KEY)


async def test_an_older_record_is_none_after_a_purge_either(bus, bucket):
    await bucket.create(KEY, b"to be sent")
    older = await stored(bus)
    await bucket.purge(KEY)
    with pytest.raises(RevisionConflict):
        await write(bus, older)


@pytest.mark.parametrize("expects", [False, True], ids=["no revision", "the present revision"])
async def test_the_delete_marker_of_another_writer_removes_no_record(bus, seals, bucket, expects):
    revision = await bucket.create(KEY, b"1")
    foreign = bus.stored_bucket(NAME)
    await (foreign.purge_if(KEY, revision) if expects else foreign.purge(KEY))
    with pytest.raises(NotSealed):
        await bucket.get(KEY)
    assert await bucket.opened([one async for one in foreign.changes(1)]) == []
    assert seals.refused == {KEY: "seal_missing"}


async def test_an_older_delete_marker_can_not_be_stored_again(bus, bucket):
    await bucket.create(KEY, b"1")
    await bucket.purge(KEY)
    older = await stored(bus)
    assert older.is_deleted
    await bucket.create(KEY, b"2")
    with pytest.raises(RevisionConflict):
        await bus.publish(SUBJECT, b"", headers=dict(older.headers) | {"Nats-Msg-Id": "again"})
    assert (await bucket.get(KEY)).data == b"2"


@pytest.mark.parametrize("is_exact", [False, True], ids=["purge", "purge_if"])
async def test_a_purge_is_read_as_one(bus, bucket, is_exact):
    revision = await bucket.create(KEY, b"1")
    await (bucket.purge_if(KEY, revision) if is_exact else bucket.purge(KEY))
    with structlog.testing.capture_logs() as logs:
        assert await bucket.get(KEY) is None
        [marker] = [one async for one in bucket.changes(1)]
        assert await bucket.opened([marker]) == [marker]
    assert (marker.data, logs) == (None, [])


async def test_a_record_from_before_the_seals_needs_none_until_it_changes(bus, bucket, until):
    revision = await bus.stored_bucket(NAME).put(KEY, b"old")
    with pytest.raises(NotSealed):
        await bucket.get(KEY)
    until[0] = (await stored(bus)).time
    assert (await bucket.get(KEY)).data == b"old"
    await bucket.swap(KEY, b"new", revision)
    assert (await bucket.get(KEY)).data == b"new"
    await bus.stored_bucket(NAME).put(KEY, b"forged")
    with pytest.raises(NotSealed):
        await bucket.get(KEY)


async def test_a_record_says_its_time_by_the_server_alone(bus, bucket, until):
    """Headers of a writer that look like the server's own do not move it before the take-over."""
    until[0] = datetime(2020, 1, 1, tzinfo=UTC)
    spoofed = {"Nats-Time-Stamp": "2019-01-01T00:00:00Z", "Nats-Sequence": "1"}
    await bus.publish(SUBJECT, b"forged", headers=spoofed)
    assert await bucket.get_many([KEY]) == {}
    assert [one async for one in bucket.values("")] == []


async def test_no_header_of_a_writer_ends_a_scan(bus):
    plain = bus.stored_bucket(NAME)
    await plain.create("a", b"1")
    end = {"Status": "204", "Nats-Num-Pending": "0", "Nats-Last-Sequence": "1"}
    await bus.publish(f"$KV.{NAME}.b", b"2", headers=end | {"Nats-UpTo-Sequence": "99"})
    await plain.create("c", b"3")
    assert [key async for key, _ in plain.values("")] == ["a", "b", "c"]


async def test_exempt_keys_have_other_writers(bus, bucket):
    await bus.stored_bucket(NAME).create("exempt", b"1")
    assert (await bucket.get("exempt")).data == b"1"
