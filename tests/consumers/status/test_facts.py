"""Facts of `loa status`, each from the thing itself: letters, drafts, counters, disks, files."""

import errno
import json
import queue
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog

from channels.zalo.client.article_api import QUOTA_PATH
from channels.zalo.clock import Until, wait_s
from channels.zalo.quota.account import account_quotas
from channels.zalo.quota.counter import QuotaCounter
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import APP_ID
from consumers.app.wiring.zalo import check_grant
from consumers.dead_letters.store import DeadLetterStore
from consumers.directory.store import DirectoryStore
from consumers.ledger import codec, watermark
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import planned_entry
from consumers.runtime import store_check
from consumers.runtime.presence import SILENT_S, Presence, ProcessRecord
from consumers.runtime.store_check import store_problem
from consumers.status import facts
from consumers.status.disks import DiskMonitor, disk_spaces
from consumers.status.facts import (
    FactsReader,
    StatusMonitor,
    directory_in_time_at,
)
from consumers.status.findings import DeadLetters, count_drafts, find
from consumers.status.reader import StatusReader
from consumers.status.unknown_sends import UnknownSendsReader
from consumers.status.zalo_limits import load_publication_uses
from consumers.zalo.quota_watch import QuotaWatch
from consumers.zalo.stores import BusKeyValueStore
from consumers.zalo.wait_causes import Limit
from contracts import subjects
from contracts.base.times import utc_now
from contracts.delivery import Lane
from contracts.editorial import Status
from producers.bus import Bus, BusError
from producers.imports.feed_state import FeedState
from tests.support.case_pipeline import CASE
from tests.support.dead_letters import buried
from tests.support.decisions import approve_item
from tests.support.events import UNIT, register_unit, submitted

SETTINGS = ZaloSettings(broadcasts_per_month=5)


@pytest.fixture
def reader(bus, clock):
    return FactsReader(bus, SETTINGS, clock)


async def codes(bus, clock, reader) -> list[str]:
    report = await StatusReader(bus, clock).report(at_work=False)
    report.at_work = True
    facts = replace(await reader.read(report), clock=None)  # the tests' clock is ahead
    facts = replace(facts, unread_since=None)  # and no process writes facts for reports
    return [one.code for one in find(facts)]


async def test_dead_letters_count_until_they_are_dealt_with(bus, clock, reader, loa):
    assert await codes(bus, clock, reader) == []
    letter = await buried(DeadLetterStore(bus))
    assert await reader.dead_letters() == DeadLetters(1, letter.at)
    assert await codes(bus, clock, reader) == ["dead_letters"]
    await loa("dead", "discard", letter.id, "--reason", "thử", "--by", "Trần Thị B")
    assert await codes(bus, clock, reader) == []


async def test_drafts_at_the_desk_say_what_is_urgent_and_when_their_time_comes(
    bus, clock, reader, intake
):
    await register_unit(bus, release="desk", urgent=True)
    soon = (utc_now(clock) + timedelta(minutes=30)).isoformat()
    await intake.handle(submitted("tin-1", lane="urgent"), UNIT)
    await intake.handle(submitted("tin-2", not_before=soon), UNIT)
    assert await codes(bus, clock, reader) == ["desk_deadline", "desk_urgent", "desk_waits"]
    await approve_item(intake.decisions, "tin-2", "Trần Thị B")
    assert await codes(bus, clock, reader) == ["desk_urgent", "desk_waits"]
    assert count_drafts(await reader.drafts()) == {Status.SUBMITTED: 1}


async def test_the_editorial_log_is_read_once_and_then_what_is_new(
    bus, reader, intake, monkeypatch
):
    scan, read = Bus.scan, []

    async def counted(self, stream, *args, **more):
        async for message in scan(self, stream, *args, **more):
            read.append(stream)
            yield message

    await register_unit(bus, release="desk")
    await intake.handle(submitted("tin-1"), UNIT)
    assert len(await reader.drafts()) == 1
    monkeypatch.setattr(Bus, "scan", counted)
    assert len(await reader.drafts()) == 1
    assert read.count(subjects.EDITORIAL.name) == 0


async def test_our_own_limits_are_read_from_the_counters_that_workers_share(bus, clock, reader):
    store = BusKeyValueStore(bus, subjects.CONTROL.name)
    used = account_quotas(SETTINGS.model_copy(update={"app_id": APP_ID}), store, clock).broadcasts
    for _ in range(3):
        await used.reserve()
    [use] = await reader.limits()
    assert (use.limit, use.used, use.most) == (Limit.BROADCASTS, 3, 5)
    assert await codes(bus, clock, reader) == []
    await used.reserve()
    assert await codes(bus, clock, reader) == ["limit_low"], "said before it ends"


def month_of(bus, clock) -> QuotaCounter:
    """The count of the month's broadcasts that all workers of the stand-in share."""
    settings = SETTINGS.model_copy(update={"app_id": APP_ID})
    store = BusKeyValueStore(bus, subjects.CONTROL.name)
    return account_quotas(settings, store, clock).broadcasts.counters[0]


async def test_what_zalo_said_and_what_was_sent_since_are_one_number_everywhere(
    bus, clock, zalo_account
):
    month = month_of(bus, clock)
    await month.reserve()
    body = {"error": 0, "message": "Success", "data": {"total": "40", "remain": "37"}}
    zalo_account.replace_body(QUOTA_PATH, json.dumps(body).encode())
    watch = QuotaWatch(bus, zalo_account.channel.api, APP_ID, month, clock)
    assert await watch.check()
    for _ in range(2):
        await month.reserve()
    zalo = ZaloSettings()
    [shown] = await FactsReader(bus, zalo, clock).limits()
    assert (shown.limit, shown.used, shown.most) == (None, 5, 40), "two more than Zalo said"
    found = await load_publication_uses(bus, zalo, clock)
    assert [one for one in found if one.most] == [shown]
    clock.advance(wait_s(Until.MONTH, clock(), lambda: 0.0) - 1800)
    assert await watch.check()
    assert len(await FactsReader(bus, zalo, clock).limits()) == 1
    clock.advance(1800)
    assert await FactsReader(bus, zalo, clock).limits() == (), "of the month before"


async def test_the_worker_reads_what_zalo_still_grants(bus, clock, reader, zalo_account):
    watch = QuotaWatch(bus, zalo_account.channel.api, APP_ID, month_of(bus, clock), clock)
    assert await watch.check()
    assert await codes(bus, clock, reader) == []
    body = {"error": 0, "message": "Success", "data": {"total": "40", "remain": "8"}}
    zalo_account.replace_body(QUOTA_PATH, json.dumps(body).encode())
    assert await watch.check()
    assert await codes(bus, clock, reader) == ["zalo_quota_low"]
    clock.advance(86401)
    assert await codes(bus, clock, reader) == [], "an answer of yesterday says nothing"
    for unusable in (b'{"error": 0, "data": {"total": "many"}}', b'{"error": -209}'):
        zalo_account.replace_body(QUOTA_PATH, unusable)
        assert not await watch.check()


async def test_what_only_a_person_can_end_is_told_until_it_is_settled(case_pipeline, clock, loa):
    bus, reader = case_pipeline.bus, FactsReader(case_pipeline.bus, SETTINGS, clock)
    assert await codes(bus, clock, reader) == []
    await case_pipeline.end_unknown()
    for name in ("loa status", "the next reading"):
        assert "zalo_unknown" in await codes(bus, clock, reader), name
    assert (await loa("status")).exit_code == 1
    await loa("zalo", "settle", CASE, "--sent", "--by", "Trần Thị B", "--yes")
    assert await codes(bus, clock, reader) == []
    assert (await loa("status")).exit_code == 0


async def test_a_later_process_begins_where_nothing_before_is_unknown(case_pipeline, clock):
    bus, monitor = case_pipeline.bus, StatusMonitor(FactsReader(case_pipeline.bus, SETTINGS, clock))
    await case_pipeline.end_unknown()
    for _ in range(3):
        await monitor.refresh()
        count = (await UnknownSendsReader(bus).read()).count
        assert count == 1 == monitor.facts.unknown_sends.count
    assert await watermark.read_watermark(bus, watermark.UNKNOWN_KEY) > 1
    state = f"state.zalo.{CASE}.1.0"
    await case_pipeline.ledger.bucket.purge(state)
    await monitor.refresh()
    assert monitor.facts.unknown_sends.count == 0, "what retention has removed waits for nobody"


async def test_a_consent_that_ends_within_a_week_is_told_by_the_process_that_has_no_token(
    bus, clock, zalo_account
):
    tokens, app_id = zalo_account.channel.api.tokens, zalo_account.sandbox.settings.app_id
    reader = FactsReader(bus, SETTINGS.model_copy(update={"app_id": app_id}), clock)
    await check_grant(bus, app_id, tokens)
    assert await codes(bus, clock, reader) == []
    clock.advance(84 * 86400)
    assert await codes(bus, clock, reader) == ["zalo_consent_ends"]
    await check_grant(bus, app_id, tokens)
    assert await codes(bus, clock, reader) == [], "renewed"


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (FeedState(failures=4), []),
        (FeedState(failures=5), ["feed_stale"]),
        (FeedState(read=-172799.0), []),
        (FeedState(read=-172801.0), ["feed_stale"]),
    ],
)
async def test_a_feed_that_can_not_be_read_is_told(bus, clock, reader, state, told):
    state = state.model_copy(update={"read": state.read and clock() + state.read})
    bucket = bus.bucket(subjects.IMPORTS.name)
    await bucket.put(f"{UNIT}.tin-moi", state.model_dump_json().encode())
    assert await codes(bus, clock, reader) == told


async def test_a_bus_that_stores_has_no_problem_and_one_that_is_gone_has(bus, monkeypatch):
    assert await store_problem(bus) == ""
    await bus.close()
    monkeypatch.setattr(store_check, "_WRITE_TIMEOUT_S", 0.2)
    assert await store_problem(bus)


def test_each_disk_is_measured_once_and_an_absent_folder_never(tmp_path):
    [space] = disk_spaces([tmp_path, tmp_path, tmp_path / "none"])
    assert space.folder == str(tmp_path) and 0 < space.free <= space.total


def test_a_disk_that_can_not_be_read_is_not_measured(tmp_path, monkeypatch):
    def gone(*_args, **_options):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "stat", gone)
    monkeypatch.setattr(shutil, "disk_usage", gone)
    assert disk_spaces([tmp_path]) == ()


async def test_a_disk_that_hangs_keeps_its_last_value_and_one_thread(tmp_path, monkeypatch):
    disks, answers, hung = DiskMonitor({"data": tmp_path}), queue.Queue(), []
    await disks.measure(5.0)
    before = disks.spaces["data"]

    def hang(folder):
        hung.append(folder)
        return answers.get()

    monkeypatch.setattr(shutil, "disk_usage", hang)
    for _ in range(3):
        await disks.measure(0.0)
    assert disks.spaces == {"data": before} and hung == [tmp_path]
    answers.put(SimpleNamespace(free=1, total=2))
    await disks.measure(5.0)
    assert disks.spaces["data"].free == 1

    def gone(_folder):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    await disks.measure(5.0)
    assert disks.spaces == {}


def test_the_directory_says_since_when_it_has_a_lag(tmp_path):
    path = tmp_path / "directory.sqlite"
    assert directory_in_time_at(path) is None
    store = DirectoryStore(path)
    assert directory_in_time_at(path) is None
    store.confirm(1800000000.0)
    store.confirm(1800000030.0, is_late=True)
    assert store.confirmed_at == 1800000030.0
    assert directory_in_time_at(path).timestamp() == 1800000000.0
    store.confirm(1800000040.0)
    assert directory_in_time_at(path).timestamp() == 1800000040.0
    store.close()


async def test_the_number_of_processes_that_run_a_service_is_a_fact(bus, clock, reader):
    report = await StatusReader(bus, clock).report(at_work=False)
    assert (await reader.read(report)).services == {}
    said = {"name": "a", "services": ("intake", "sweep"), "version": "1", "pid": 7}
    record = ProcessRecord(started=clock(), at=clock(), **said)
    one = Presence(bus, record, clock)
    other = Presence(bus, record.model_copy(update={"name": "b", "services": ("intake",)}), clock)
    for process in (one, other):
        await process.renew()
    assert (await reader.read(report)).services == {"intake": 2, "sweep": 1}
    clock.advance(SILENT_S + 1)
    await other.renew()
    assert (await reader.read(report)).services == {"intake": 1, "sweep": 0}
    await one.end()
    assert (await reader.read(report)).services == {"intake": 1}


async def test_a_damaged_record_keeps_the_facts_as_old_as_they_are_and_is_told(
    bus, clock, reader, tmp_path
):
    monitor = StatusMonitor(reader, (tmp_path,))
    await buried(DeadLetterStore(bus))
    await monitor.refresh()
    before, read_at = monitor.facts, monitor.read_at
    await bus.bucket(subjects.CONTROL.name).put("outlet.portal", b"not a record")
    clock.advance(60)
    await monitor.refresh()
    assert monitor.facts.channels == before.channels != {} and monitor.facts.dead.count == 1
    assert monitor.read_at == read_at, "the alarm on old facts must see it"
    [told] = [one for one in find(monitor.facts) if one.code == "facts_unreadable"]
    assert "outlet.portal" in told.message and "outlet.portal" in told.message_vi
    await bus.bucket(subjects.CONTROL.name).purge("outlet.portal")
    await monitor.refresh()
    assert monitor.read_at == clock() and not monitor.facts.unreadable


async def test_a_bus_that_is_gone_can_not_store_whatever_else_it_does_not_say(
    bus, reader, monkeypatch
):
    monitor = StatusMonitor(reader)
    await monitor.refresh()
    assert not monitor.facts.store_problem
    await bus.close()
    monkeypatch.setattr(store_check, "_WRITE_TIMEOUT_S", 0.2)
    with pytest.raises(BusError):
        await monitor.refresh()
    assert monitor.facts.store_problem


async def test_a_damaged_plan_costs_its_own_times_and_no_other_fact(bus, clock, reader, ledger):
    monitor = StatusMonitor(reader)
    await buried(DeadLetterStore(bus))
    sent = replace(planned_entry(1, Lane.NORMAL, clock()), rows=b"d", progress=(1.0, 1.0, 1.0, 1.0))
    await ledger.bucket.put("state.email.tin-hong.1.0", codec.encode_state(sent))
    cursor = codec.encode_cursor(PlanCursor(count=1, complete=True))
    await ledger.bucket.put("plan.email.tin-hong.1", cursor)
    await bus.bucket(subjects.PUBLISHED.name).put("tin-hong.1", b"not a position")
    with structlog.testing.capture_logs() as logs:
        await monitor.refresh()
        await monitor.refresh()
    assert [one["fact"] for one in logs if one["event"] == "status_fact_missing"] == ["item_times"]
    assert monitor.facts.dead.count == 1


async def test_a_running_loa_says_of_itself_what_fails_and_what_its_log_lost(monkeypatch):
    answers = [
        {"failing": {"bus": "no answer"}, "log": {"dropped": 7}},
        {"failing": {}},
    ]

    async def page(_url, _path):
        return 200, answers.pop(0)

    monkeypatch.setattr(facts, "fetch_page", page)
    assert await facts.reported_by("http://x") == ({"bus": "no answer"}, 7)
    assert await facts.reported_by("http://x") == ({}, 0)
