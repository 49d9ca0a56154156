"""Sealed records: callers see them plain, the bus does not, and an erasure makes copies useless."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from producers.bus import BatchEntry, Bus, Change, NoReply
from producers.encryption import KeyUnreadable, is_sealed, seal_buckets
from producers.encryption.maintenance import (
    destroy_unused_keys,
    forget_records_of_other_key,
    purge_records_without_key,
)
from producers.encryption.values import seal

AN, BINH = b'{"email":"an@example.com"}', b'{"email":"binh@example.com"}'
KEY = b"k" * 32


@pytest.fixture
def keys(bus):
    return seal_buckets(bus, KEY)


@pytest.fixture
def bucket(bus, keys):
    return bus.bucket(subjects.SUBSCRIBERS.name)


@pytest.fixture
def stored(bus):
    return bus.stored_bucket(subjects.SUBSCRIBERS.name)


async def test_every_way_of_writing_seals_and_every_way_of_reading_opens(bucket, stored):
    await bucket.create("s.an", BINH)
    await bucket.swap("s.an", AN, (await bucket.get("s.an")).revision)
    await bucket.put("f.letter", AN)
    await bucket.batch([BatchEntry("s.binh", BINH, 0), BatchEntry("a.hash", b"an", 0)])
    plain = {"s.an": AN, "f.letter": AN, "s.binh": BINH, "a.hash": b"an"}
    raw = {key: value.data async for key, value in stored.values()}
    assert [key for key in raw if is_sealed(raw[key])] == ["s.an", "f.letter", "s.binh"]
    assert b"example" not in b"".join(raw.values())
    assert {key: value.data async for key, value in bucket.values()} == plain
    assert {k: v.data for k, v in (await bucket.get_many([*plain])).items()} == plain
    assert [(await bucket.get(key)).data for key in plain] == [*plain.values()]
    changes = [change async for change in stored.changes(1)]
    assert {change.key: change.data for change in await bucket.opened(changes)} == plain


async def test_a_new_record_uses_the_key_that_an_interrupted_write_has_left(bus, keys, bucket):
    left = f"{bucket.name}.s.an"
    await keys.ensure([left])
    key = await bus.bucket(subjects.PERSON_KEYS.name).get(left)
    await bucket.batch([BatchEntry("s.an", AN, 0), BatchEntry("s.binh", BINH, 0)])
    assert [(await bucket.get(one)).data for one in ("s.an", "s.binh")] == [AN, BINH]
    assert await bus.bucket(subjects.PERSON_KEYS.name).get(left) == key


async def test_what_an_earlier_version_stored_plain_is_read(bucket, stored):
    await stored.put("s.an", AN)
    assert (await bucket.get("s.an")).data == AN
    assert await bucket.opened([Change("s.an", AN, 1)]) == [Change("s.an", AN, 1)]


async def test_a_record_that_was_put_in_anothers_place_is_not_opened(bus, bucket, stored):
    await bucket.put("s.an", AN)
    await bucket.put("s.binh", BINH)
    ours = (await stored.get("s.an")).data
    await stored.put("s.binh", ours)
    assert (await bucket.get("s.binh")).data == ours
    wrapped = bus.bucket(subjects.PERSON_KEYS.name)
    await wrapped.put("subscribers.s.binh", (await wrapped.get("subscribers.s.an")).data)
    with pytest.raises(KeyUnreadable):
        await bucket.get("s.binh")


async def test_a_key_that_another_writer_replaced_closes_one_record_and_holds_up_no_other(
    bus, bucket, stored
):
    await bucket.batch([BatchEntry("s.an", AN, 0), BatchEntry("s.binh", BINH, 0)])
    await bus.stored_bucket(subjects.PERSON_KEYS.name).put("subscribers.s.an", b"x")
    opened = await bucket.opened([change async for change in stored.changes(1)])
    assert [(one.key, one.data == BINH) for one in opened] == [("s.an", False), ("s.binh", True)]
    assert is_sealed(opened[0].data), "no reader takes it for a record"


async def test_an_erasure_destroys_the_key_so_that_a_copy_of_the_record_stays_shut(
    bus, bucket, stored
):
    await bucket.put("s.an", AN)
    copy = (await stored.get("s.an")).data
    await bucket.purge("s.an")
    assert await bus.bucket(subjects.PERSON_KEYS.name).keys() == []
    await stored.put("s.an", copy)
    assert (await bucket.get("s.an")).data == copy
    revision = (await bucket.get("s.an")).revision
    await bucket.purge_if("s.an", revision)
    assert await bucket.get("s.an") is None


async def test_another_key_file_neither_reads_nor_writes(bus, bucket, nats_server):
    await bucket.put("s.an", AN)
    async with await Bus.connect(nats_server.url, name="other") as other:
        foreign = seal_buckets(other, b"x" * 32)
        theirs = other.bucket(subjects.SUBSCRIBERS.name)
        for act in (theirs.get("s.an"), theirs.put("s.an", BINH), theirs.get_many(["s.an"])):
            with pytest.raises(KeyUnreadable):
                await act
        assert (await bucket.get("s.an")).data == AN
        await theirs.put("s.binh", BINH)
        assert await forget_records_of_other_key(other, foreign) == 1
        assert await theirs.keys() == ["s.binh"]


async def test_two_processes_that_make_one_key_agree(bus, bucket, nats_server):
    async with await Bus.connect(nats_server.url, name="other") as other:
        seal_buckets(other, KEY)
        theirs = other.bucket(subjects.SUBSCRIBERS.name)
        names = [f"s.n{number}" for number in range(20)]
        await asyncio.gather(
            bucket.batch([BatchEntry(name, AN) for name in names]),
            *(theirs.put(name, AN) for name in names),
        )
        assert {value.data for value in (await bucket.get_many(names)).values()} == {AN}


async def test_a_key_without_a_record_goes_after_a_day_and_no_other(bus, keys, bucket, stored):
    await bucket.put("s.an", AN)
    await bucket.put("s.binh", BINH)
    await stored.purge("s.an")  # killed before the key was destroyed
    now = datetime.now(UTC)
    assert await destroy_unused_keys(bus, keys, now) == 0
    assert await destroy_unused_keys(bus, keys, now + timedelta(days=2)) == 1
    assert await keys.bucket.keys() == ["subscribers.s.binh"]


async def test_a_record_whose_key_is_not_in_a_backup_is_purged(bus, keys, bucket, stored):
    await bucket.put("s.an", AN)
    await bucket.put("s.binh", BINH)
    await keys.destroy("subscribers.s.an")
    assert await purge_records_without_key(bus) == 1
    assert await stored.keys() == ["s.binh"]


async def test_a_renewed_key_shuts_older_versions_and_the_record_lives_on(
    bus, keys, bucket, stored
):
    await bucket.put("s.an", AN)
    copy = (await stored.get("s.an")).data
    await bucket.swap("s.an", BINH, (await bucket.get("s.an")).revision)
    assert [await bucket.renew_key("s.an") for _ in range(2)] == [True, False]
    assert await keys.bucket.keys() == ["subscribers.s.an.renewed"]
    plain = {key: value.data async for key, value in bucket.values()}
    many = {key: value.data for key, value in (await bucket.get_many(["s.an"])).items()}
    [change] = await bucket.opened([change async for change in stored.changes(1)])
    assert plain == many == {change.key: change.data} == {"s.an": BINH}
    now = datetime.now(UTC) + timedelta(days=2)
    assert await destroy_unused_keys(bus, keys, now) == await purge_records_without_key(bus) == 0
    await bucket.swap("s.an", AN, (await bucket.get("s.an")).revision)
    assert (await bucket.get("s.an")).data == AN, "who comes back gets a first key again"
    assert await destroy_unused_keys(bus, keys, now) == 1
    assert await bucket.renew_key("s.an")
    assert (await bucket.get("s.an")).data == AN
    await bucket.purge("s.an")
    assert await keys.bucket.keys() == []
    await stored.put("s.an", copy)
    assert (await bucket.get("s.an")).data == copy, "no key opens an old version"


@pytest.mark.parametrize("death", [1, 2])
async def test_a_renewal_that_was_killed_is_completed_by_the_next(bucket, keys, death, monkeypatch):
    await bucket.put("s.an", AN)
    real, calls = keys.destroy, []

    async def destroy(name):
        calls.append(name)
        if len(calls) == death:
            raise NoReply("killed here")
        await real(name)

    with monkeypatch.context() as dying:
        dying.setattr(bucket.keys_of_people, "destroy", destroy)
        with pytest.raises(NoReply):
            await bucket.renew_key("s.an")
    assert (await bucket.get("s.an")).data == AN
    assert await bucket.renew_key("s.an")
    assert (await bucket.get("s.an")).data == AN
    assert await keys.bucket.keys() == ["subscribers.s.an.renewed"]


async def test_what_another_writes_during_a_renewal_is_kept(bucket, keys, monkeypatch):
    """The writer had read the first key before it was destroyed."""
    await bucket.put("s.an", AN)
    real = keys.destroy

    async def overtaken(name):
        if not name.endswith("s.an"):
            await real(name)
            return
        first, current = (await keys.ensure([name]))[name], await bucket.get("s.an")
        await real(name)
        late = seal(first, name, BINH)
        await bucket.swap("s.an", late, current.revision)

    monkeypatch.setattr(bucket.keys_of_people, "destroy", overtaken)
    assert await bucket.renew_key("s.an")
    assert (await bucket.get("s.an")).data == BINH
