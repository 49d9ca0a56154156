"""Contacts of case notices and letters: sealed with the key of a day, which ends with them."""

import asyncio
import json
from pathlib import Path

import pytest

from consumers.key_file import KeyFile, replace_key, seal_notices_only, seal_people
from contracts import subjects
from contracts.errors import Invalid
from producers.bus import Bus, RevisionConflict
from producers.encryption import DayKeys, KeyUnreadable, is_sealed, seal_notices
from producers.encryption.existing_records import BucketMigration
from tests.support.clock import FakeClock

NAME = subjects.NOTICES.name
CONTACT = b'{"contact":{"email":"nguoi-nop@example.com"}}'
KEY, DAY_S = b"k" * 32, 86400.0


@pytest.fixture
def days(bus):
    return seal_notices(bus, KEY)


@pytest.fixture
def bucket(bus, days):
    return bus.bucket(NAME)


@pytest.fixture
def stored(bus):
    return bus.stored_bucket(NAME)


def files_with(folder: Path, words: bytes) -> list[str]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in paths if words in path.read_bytes()]


async def test_every_way_of_writing_seals_a_contact_and_every_way_of_reading_opens_it(
    bucket, stored, days
):
    await bucket.create("one", b"{}")
    await bucket.swap("one", CONTACT, (await bucket.get("one")).revision)
    await bucket.put("letter-two", CONTACT)
    await bucket.create("sent.one", b"a message id")
    plain = {"one": CONTACT, "letter-two": CONTACT, "sent.one": b"a message id"}
    raw = {key: value.data async for key, value in stored.values()}
    assert [key for key in raw if is_sealed(raw[key])] == ["one", "letter-two"]
    assert {key: value.data async for key, value in bucket.values()} == plain
    assert {k: v.data for k, v in (await bucket.get_many([*plain])).items()} == plain
    assert [(await bucket.get(key)).data for key in plain] == [*plain.values()]
    assert await days.keys.bucket.keys() == [f"{NAME}.{days.today()}"], "one key for all of a day"


async def test_a_key_goes_once_the_records_of_its_day_have_expired(bus, days, bucket, stored):
    today = days.clock()
    for age, key in ((40, "old"), (30, "expires-today"), (1, "young")):
        days.clock = FakeClock(today - age * DAY_S)
        await bucket.put(key, CONTACT)
    assert await days.destroy_expired(bus) == 1
    assert await DayKeys(days.keys, NAME).destroy_expired(bus) == 0
    fresh = seal_notices(bus, KEY)
    values = bus.bucket(NAME)
    assert await values.get("old") is None, "still stored, and no key opens it"
    assert [key async for key, _ in values.values()] == ["expires-today", "young"]
    assert set(await fresh.keys.bucket.keys()) == {*await days.keys.bucket.keys()}


async def test_a_purged_contact_is_in_no_file_sealed_or_not(own_bus, tmp_path):
    seal_notices(own_bus, KEY)
    bucket, stored = own_bus.bucket(NAME), own_bus.stored_bucket(NAME)
    await bucket.put("one", CONTACT)
    sealed = (await stored.get("one")).data
    folder = tmp_path / "own-nats"
    assert files_with(folder, sealed) and not files_with(folder, b"nguoi-nop")
    await bucket.purge("one")
    assert files_with(folder, sealed) == []
    await bucket.purge("one")
    await bucket.create("one", CONTACT)
    assert (await bucket.get("one")).data == CONTACT


async def test_contacts_of_an_earlier_version_are_sealed_under_the_day_they_came(own_bus, tmp_path):
    stored = own_bus.stored_bucket(NAME)
    names = [f"n{number}" for number in range(30)]
    for name in names:
        await stored.put(name, CONTACT)
    await stored.put("used.digest", b"browser")
    came = (await stored.get("n0")).created.date().isoformat()
    days = seal_notices(own_bus, KEY)
    days.clock = FakeClock(days.clock() + 9 * DAY_S)
    assert await BucketMigration(own_bus, NAME).run() == len(names)
    assert await days.keys.bucket.keys() == [f"{NAME}.{came}"], "they end when they would have"
    values = {key: value.data async for key, value in own_bus.bucket(NAME).values()}
    assert values == dict.fromkeys(names, CONTACT) | {"used.digest": b"browser"}
    assert files_with(tmp_path / "own-nats", b"nguoi-nop") == []
    assert await BucketMigration(own_bus, NAME).run() == 0


async def test_a_record_that_is_made_while_the_one_before_is_purged_stays(bus, bucket, monkeypatch):
    await bucket.create("one", b"{}")
    erase = bus.erase_message

    async def made_meanwhile(stream, seq):
        await erase(stream, seq)
        monkeypatch.undo()
        await bucket.create("one", CONTACT)

    monkeypatch.setattr(bus, "erase_message", made_meanwhile)
    await bucket.purge("one")
    assert (await bucket.get("one")).data == CONTACT
    await bucket.purge("one")
    assert (await bucket.get("one")) is None


async def test_a_conditional_purge_leaves_no_bytes_and_spares_a_later_value(own_bus, tmp_path):
    seal_notices(own_bus, KEY)
    bucket, stored = own_bus.bucket(NAME), own_bus.stored_bucket(NAME)
    first = await bucket.create("one", CONTACT)
    second = await bucket.swap("one", b"{}", first)
    sealed = (await stored.get("one")).data
    with pytest.raises(RevisionConflict):
        await bucket.purge_if("one", first)
    assert (await bucket.get("one")).revision == second
    await bucket.purge_if("one", second)
    assert await bucket.get("one") is None
    assert files_with(tmp_path / "own-nats", sealed) == []


async def test_a_gateway_with_its_part_of_the_key_alone_writes_what_the_others_read(
    bus, nats_server, tmp_path
):
    keys = KeyFile(b"s" * 32)
    (tmp_path / "notices.key").write_text(keys.notices_key().hex())
    seal_people(bus, keys)
    async with await Bus.connect(nats_server.url, name="gateway") as gateway:
        await seal_notices_only(gateway, tmp_path / "notices.key")
        theirs = gateway.bucket(NAME)
        await asyncio.gather(theirs.create("one", CONTACT), bus.bucket(NAME).put("two", CONTACT))
        assert json.loads((await bus.bucket(NAME).get("one")).data) == json.loads(CONTACT)
        readers = gateway.bucket(subjects.SUBSCRIBERS.name)
        await bus.bucket(subjects.SUBSCRIBERS.name).put("s.an", CONTACT)
        assert is_sealed((await readers.get("s.an")).data), "it opens nothing else"


async def test_a_gateway_with_a_part_of_another_key_is_refused(bus, nats_server, tmp_path):
    """No service could open the notices that it sealed and accepted."""
    await seal_people(bus, KeyFile(b"s" * 32)).notices.prove()
    (tmp_path / "notices.key").write_text(KeyFile(b"x" * 32).notices_key().hex())
    (tmp_path / "new.key").write_text((b"x" * 32).hex())
    async with await Bus.connect(nats_server.url, name="gateway") as gateway:
        with pytest.raises(Invalid, match=r"notices\.key: is not the part"):
            await seal_notices_only(gateway, tmp_path / "notices.key")
        await replace_key(bus, tmp_path / "new.key")
        await seal_notices_only(gateway, tmp_path / "notices.key")


async def test_after_a_lost_key_the_contacts_go_that_only_it_could_open(bus, nats_server, tmp_path):
    seal_people(bus, KeyFile(b"s" * 32))
    await bus.bucket(NAME).put("one", CONTACT)
    async with await Bus.connect(nats_server.url, name="other") as other:
        seal_people(other, KeyFile(b"t" * 32))
        with pytest.raises(KeyUnreadable):
            await other.bucket(NAME).get("one")
        assert await replace_key(other, tmp_path / "vault.key") == 1
        assert await other.bucket(NAME).keys() == []
        await other.bucket(NAME).put("two", CONTACT)
        assert (await other.bucket(NAME).get("two")).data == CONTACT
