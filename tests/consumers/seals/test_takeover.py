"""Publications of an older version, or under a lost key, are taken over once, without a step."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
import structlog

from consumers.app.settings import LoaSettings
from consumers.audit.log import Act, AuditLog
from consumers.key_file import KeyFile, register_key
from consumers.seals.records import TakenOverUntil, seal_records
from consumers.seals.takeover import (
    TAKE_OVER_KEY,
    SealRecords,
    TakeOverRecord,
    seal_for_command,
    take_over,
)
from contracts import subjects
from contracts.base.seals import Sealer
from producers.seals import message_problem
from tests.support.publications import a_publication
from tests.support.records_forger import seal_new_records
from tests.support.services import store_publication


@pytest.fixture
def records(bus, tmp_path):
    keys = KeyFile.open(tmp_path / "vault.key")
    return SealRecords(bus, keys, tmp_path / "seals.json")


async def stored(bus, seq: int):
    return await bus.get_message(subjects.PUBLICATIONS.name, seq)


async def opened(records) -> tuple[bool, list[str]]:
    """Whether a message of now needs a seal; and what the log says."""
    with structlog.testing.capture_logs() as logs:
        seals = await records.open_or_take_over(time.time)
    needs = seals.taken_over_until <= datetime.now(UTC)
    return needs, [one["event"] for one in logs]


async def test_on_new_data_every_message_needs_a_seal(bus, records):
    assert await opened(records) == (True, [])
    await store_publication(bus, a_publication())
    seals = await records.open_or_take_over(time.time)
    assert seals.problem(await stored(bus, 1)) == "seal_missing"


async def test_what_an_older_version_stored_is_taken_over_once_and_the_log_says_so(bus, records):
    await store_publication(bus, a_publication())
    assert await opened(records) == (False, ["publications_taken_over"])
    first = await records.open_or_take_over(time.time)
    assert first.problem(await stored(bus, 1)) == ""
    again = await records.open_or_take_over(lambda: time.time() + 86_400)
    assert again.taken_over_until == first.taken_over_until


@pytest.mark.parametrize("record", [None, b"{}", b'{"until":"2099-01-01T00:00:00Z","seal":"x"}'])
async def test_a_record_that_was_removed_or_forged_on_the_bus_opens_nothing(bus, records, record):
    """The machine's own file has it, and puts it back."""
    await records.open_or_take_over(time.time)
    control = bus.bucket(subjects.CONTROL.name)
    await (control.put(TAKE_OVER_KEY, record) if record else control.purge(TAKE_OVER_KEY))
    await store_publication(bus, a_publication())
    needs_seal, events = await opened(records)
    assert (needs_seal, events[-1]) == (True, "seal_record_restored")
    assert await opened(records) == (True, [])


async def test_another_machine_with_the_key_takes_the_record_from_the_bus(bus, records, tmp_path):
    await records.open_or_take_over(time.time)
    other = SealRecords(bus, records.keys, tmp_path / "other.json")
    await store_publication(bus, a_publication())
    assert await opened(other) == (True, [])
    assert other.file.read_bytes() == records.file.read_bytes()


async def test_a_backup_restored_where_loa_was_started_before_keeps_its_own_record(
    bus, records, tmp_path
):
    """The first start found an empty bus; the backup's bus was taken over long ago."""
    await records.open_or_take_over(time.time)
    await bus.bucket(subjects.CONTROL.name).purge(TAKE_OVER_KEY)
    await store_publication(bus, a_publication())
    backed_up = SealRecords(bus, records.keys, tmp_path / "other.json")
    before = await backed_up.take_over(time.time)
    await records.take_over_backup(time.time)
    seals = await records.open_or_take_over(time.time)
    assert seals.problem(await stored(bus, 1)) == ""
    assert seals.taken_over_until == before.taken_over_until
    assert records.file.read_bytes() == backed_up.file.read_bytes()


async def test_a_lost_record_admits_nothing_later_than_the_first_seal(bus, records):
    """On a machine that keeps no file, as a container with a read-only folder."""
    await store_publication(bus, a_publication())
    first = await records.open_or_take_over(time.time)
    subject, body = "publication.a.b", b"{}"
    await bus.publish(subject, body, headers=first.headers(subject, body))
    sealed_at = (await stored(bus, 2)).time
    records.file.unlink()
    await bus.bucket(subjects.CONTROL.name).purge(TAKE_OVER_KEY)
    with structlog.testing.capture_logs() as logs:
        seals = await records.open_or_take_over(lambda: time.time() + 86_400)
    assert seals.problem(await stored(bus, 1)) == ""
    assert seals.taken_over_until - sealed_at <= timedelta(minutes=2)
    assert [one["event"] for one in logs] == ["seal_record_lost"]


async def test_a_lost_record_admits_no_account_later_than_the_first_sealed_one(bus, records):
    """Before anything was published, a sealed account shows that seals are needed."""
    await records.open_or_take_over(time.time)
    seal_new_records(bus, records.keys)
    await bus.bucket(subjects.STAFF.name).create("account.nv-an", b"{}")
    first = await bus.last_message("KV_staff", "$KV.staff.account.nv-an")
    records.file.unlink()
    await bus.bucket(subjects.CONTROL.name).purge(TAKE_OVER_KEY)
    seals = await records.open_or_take_over(lambda: time.time() + 86_400)
    assert seals.taken_over_until - first.time <= timedelta(minutes=2)


async def test_a_command_reads_the_record_once_for_all_records_from_before(
    bus, records, tmp_path, monkeypatch
):
    for number in range(5):
        await bus.bucket(subjects.UNITS.name).create(f"don-vi-{number}", b"{}")
    await register_key(bus, records.keys)
    await records.take_over(time.time)
    load, loads = SealRecords.load, []

    async def counted(self):
        loads.append(self)
        return await load(self)

    monkeypatch.setattr(SealRecords, "load", counted)
    await seal_for_command(bus, tmp_path / "vault.key", records.file, take_over)
    found = [key async for key, _ in bus.bucket(subjects.UNITS.name).values()]
    assert (len(found), len(loads)) == (5, 1)


@pytest.mark.parametrize("before", ["new", "of an older version", "taken over", "lost"])
async def test_a_command_that_looks_decides_as_a_start_does_and_writes_nothing(
    bus, records, before
):
    sealed = before in ("taken over", "lost")
    if before != "new":
        await store_publication(bus, a_publication())
    if sealed:
        await records.take_over(time.time)
        await bus.bucket(subjects.CONTROL.name).purge(TAKE_OVER_KEY)
    if before == "lost":
        records.file.unlink()
        seal_records(bus, records.keys, TakenOverUntil.by(records.load))
        await bus.bucket(subjects.UNITS.name).create("don-vi", b"{}")
    kept = sorted(records.file.parent.iterdir())
    last = (await bus.stream_info("KV_control"))["state"]["last_seq"]
    looked = await records.read(lambda: 0.0)
    assert (await records.read_taken_over() is None) == (before != "taken over")
    assert (await bus.stream_info("KV_control"))["state"]["last_seq"] == last
    assert sorted(records.file.parent.iterdir()) == kept
    started = await records.open_or_take_over(lambda: 0.0)
    assert (looked.taken_over_until, looked.later_until) == (
        started.taken_over_until,
        started.later_until,
    )


async def test_receipts_and_audit_records_of_a_version_that_sealed_neither_are_taken_over(
    bus, records, tmp_path
):
    """The record of that version has one time; another machine's older file changes nothing."""
    await records.open_or_take_over(time.time)
    earlier = TakeOverRecord.model_validate_json(records.file.read_bytes())
    earlier = earlier.model_copy(update={"later_until": None})
    sealed = Sealer(records.keys.derive("seal take-over")).seal(earlier.sealed_part)
    old = earlier.model_copy(update={"seal": sealed}).model_dump_json(exclude_none=True).encode()
    other = SealRecords(bus, records.keys, tmp_path / "other.json")
    for file in (records.file, other.file):
        file.write_bytes(old)
    await bus.bucket(subjects.CONTROL.name).put(TAKE_OVER_KEY, old)
    receipts = [await bus.publish("receipt.email.bounce", b"{}") for _ in range(2)]
    await AuditLog(bus, time.time).record(Act("pause"))
    with structlog.testing.capture_logs() as logs:
        await records.open_or_take_over(time.time)
        seals = await other.open_or_take_over(time.time)
    assert [(one["event"], one["messages"]) for one in logs] == [("messages_taken_over", 3)]
    seal_records(bus, records.keys, TakenOverUntil.by(partial(other.open_or_take_over, time.time)))
    for stream, seq in (("RECEIPTS", receipts[1].seq), ("AUDIT", 1)):
        message = await bus.get_message(stream, seq)
        assert await message_problem(bus, message) == ""
        later = replace(message, time=seals.later_until + timedelta(seconds=1))
        assert await message_problem(bus, later) == "seal_missing"
    assert seals.taken_over_until == earlier.until, "records need their seals as before"


async def test_two_that_start_at_once_have_one_record(bus, records, tmp_path):
    await store_publication(bus, a_publication())
    first = await records.take_over(time.time)
    other = SealRecords(bus, records.keys, tmp_path / "other.json")
    assert (await other.open_or_take_over(time.time)).taken_over_until == first.taken_over_until


async def test_after_a_lost_key_the_register_proves_what_the_old_one_sealed(bus, records, tmp_path):
    old = await records.open_or_take_over(time.time)
    subject, body = "publication.a.b", b"{}"
    await bus.publish(subject, body, headers=old.headers(subject, body))
    new = SealRecords(bus, KeyFile.open(tmp_path / "new.key"), records.file)
    await new.take_over(time.time)
    seals = await new.open_or_take_over(time.time)
    assert (seals.is_sealed(await stored(bus, 1)), seals.problem(await stored(bus, 1))) == (
        False,
        "",
    )
    await bus.publish(subject, body, headers=old.headers(subject, body))
    assert seals.problem(await stored(bus, 2)) == "seal_other_key"


async def test_a_backup_from_before_the_seals_is_taken_over_by_its_restore(bus, records):
    await records.open_or_take_over(time.time)
    await bus.bucket(subjects.CONTROL.name).purge(TAKE_OVER_KEY)
    await store_publication(bus, a_publication())
    await records.take_over_backup(time.time)
    seals = await records.open_or_take_over(time.time)
    assert seals.problem(await stored(bus, 1)) == ""
    await records.take_over_backup(lambda: time.time() + 86_400)
    again = await records.open_or_take_over(time.time)
    assert again.taken_over_until == seals.taken_over_until


async def test_commands_that_look_put_no_lost_record_back_and_one_that_acts_does(
    bus, records, loa, tmp_path
):
    await register_key(bus, records.keys)
    there = replace(records, file=LoaSettings(data_dir=tmp_path).seals_file)
    await bus.bucket(subjects.UNITS.name).create("van-phong-bo", b"{}")
    await there.take_over(time.time)
    control = bus.bucket(subjects.CONTROL.name)
    await control.purge(TAKE_OVER_KEY)
    for words in (("units", "list"), ("status",), ("check",)):
        await loa(*words)
        assert await control.get(TAKE_OVER_KEY) is None, words
    await loa("units", "add", "van-phong-bo", "--by", "An")
    assert await control.get(TAKE_OVER_KEY)
