"""The gauges say what `loa status` says: one source."""

import ast
import asyncio
import inspect
from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from channels.zalo.settings import ZaloSettings
from consumers.channel_health import breaker, pauses
from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.breaker_store import BreakerStore
from consumers.channel_health.canary.status import CanaryStatus
from consumers.channel_health.readback import ReadbackFailure
from consumers.dead_letters.store import DeadLetterStore
from consumers.status import findings, metrics
from consumers.status.facts import FactsReader, StatusMonitor
from consumers.status.findings import (
    DeadLetters,
    DiskSpace,
    Facts,
    FailingEndpoint,
    UnknownSends,
    WaitingDraft,
    find,
)
from consumers.status.metrics import ProcessFacts, TokenTimes, all_metrics, families
from consumers.status.report import ChannelStatus, LaneStatus, RefusedPublication
from consumers.status.zalo_limits import LimitUse
from consumers.zalo.wait_causes import Limit
from contracts.base.times import utc_now, utc_time
from contracts.delivery import ChannelName, Lane
from contracts.errors import FieldError
from tests.support.dead_letters import buried
from tests.support.events import UNIT, register_unit, submitted


class Families(CollectorRegistry):
    def __init__(self, *shown):
        super().__init__()
        self.shown = shown

    def collect(self):
        return self.shown


def samples(process, facts=None):
    """The page as Prometheus' own parser reads it: name and labels → value."""
    page = generate_latest(Families(*families(process, facts))).decode()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def at(seconds: float):
    return utc_time(BEGAN + seconds)


BEGAN = 1_800_000_000
EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL
REFUSED = RefusedPublication(plan="email.tin.1", since=at(0), next_at=at(0), reason="", alone=True)
DAMAGE = FieldError(field="CONTENT", message="lost", message_vi="mất")
WAITS = LaneStatus(backlog=11, oldest_s=12, ready=13, ready_s=14, in_doubt=15)
FACTS = Facts(
    now=at(1000),
    channels={
        EMAIL: ChannelStatus(
            paused=False, slowed=3, stopped=("email.tin.1",) * 4, refused=(REFUSED,) * 5,
            lanes={Lane.NORMAL: WAITS},
            canary=CanaryStatus(state="ok", since=at(21), next_at=at(22)),
        ),
        ZALO: ChannelStatus(paused=True, breaker=BreakerState.HALF_OPEN, lanes={}),
        PORTAL: ChannelStatus(
            paused=False, lanes={}, unseen=ReadbackFailure(address="a", since=at(23), why="404"),
        ),
    },
    limits=(LimitUse(Limit.DAILY_MONEY, 31, 32, at(33)), LimitUse(None, 34, 35, at(36))),
    dead=DeadLetters(41, at(1000 - 42)),
    drafts=(
        WaitingDraft("a", at(1000 - 43), is_urgent=True),
        WaitingDraft("b", at(1000 - 44), deadline=at(2045)),
        WaitingDraft("c", at(1000 - 1), deadline=at(2046)),
        *[WaitingDraft(key, at(1000 - 2), is_urgent=True) for key in "defghi"],
    ),
    unknown_sends=UnknownSends(47, at(1)),
    failing_endpoints=(
        FailingEndpoint("a.1", at(1000 - 64)),
        FailingEndpoint("a.2", at(1), is_disabled=True),
        FailingEndpoint("a.3", at(1), is_late=True),
        FailingEndpoint("b.1", at(1000 - 1)),
    ),
    consent_ends=at(9_000_048),
    damages=(DAMAGE,) * 6,
    store_problem="no answer",
    services={"intake": 8, "sweep": 0},
)  # fmt: skip
PROCESS = ProcessFacts(
    now=BEGAN + 1051.0,
    checks={"bus": "no answer", "nats": None},
    is_connected=False,
    disconnects=52,
    dropped_lines=53,
    dropped_spans=54,
    disks={"data": DiskSpace("/data", 55, 56), "nats": DiskSpace("/nats", 57, 58)},
    directory_at=BEGAN + 1051 - 59,
    desk_index_lag=3,
    replica_lag=2.5,
    token=TokenTimes(BEGAN + 61, BEGAN + 62),
    services=("sweep",),
    versions={"loa": "1.2.3", "nats_server": "2.14"},
    stream_usage={"CONTENT": 63},
    facts_read_at=BEGAN + 64.0,
)
LANE = ("email", "normal")
TOLD = {
    ("loa_backlog_rows", *LANE): 11,
    ("loa_backlog_oldest_age_seconds", *LANE): 12,
    ("loa_backlog_ready_rows", *LANE): 13,
    ("loa_backlog_ready_age_seconds", *LANE): 14,
    ("loa_rows_in_doubt", *LANE): 15,
    ("loa_channel_breaker", "closed", "email"): 1,
    ("loa_channel_breaker", "half-open", "zalo"): 1,
    ("loa_channel_breaker", "closed", "portal"): 1,
    ("loa_channel_paused", "zalo"): 1,
    ("loa_mail_slowed_level",): 3,
    ("loa_mail_stopped_items",): 4,
    ("loa_mail_refused_items",): 5,
    ("loa_portal_unseen",): 1,
    ("loa_portal_unseen_since_timestamp_seconds",): BEGAN + 23,
    ("loa_canary_state", "email", "ok"): 1,
    ("loa_canary_state", "off", "portal"): 1,
    ("loa_canary_state", "off", "zalo"): 1,
    ("loa_canary_ok_timestamp_seconds", "email"): BEGAN + 21,
    ("loa_canary_next_timestamp_seconds", "email"): BEGAN + 22,
    ("loa_zalo_limit_used", "daily-money"): 31,
    ("loa_zalo_limit_max", "daily-money"): 32,
    ("loa_zalo_limit_reset_timestamp_seconds", "daily-money"): BEGAN + 33,
    ("loa_zalo_limit_used", "zalo-broadcasts"): 34,
    ("loa_zalo_limit_max", "zalo-broadcasts"): 35,
    ("loa_zalo_limit_reset_timestamp_seconds", "zalo-broadcasts"): BEGAN + 36,
    ("loa_zalo_unknown_rows",): 47,
    ("loa_zalo_consent_ends_timestamp_seconds",): BEGAN + 9_000_048,
    ("loa_dead_letters",): 41,
    ("loa_dead_letters_oldest_age_seconds",): 42,
    ("loa_callbacks_oldest_age_seconds",): 64,
    ("loa_callbacks_disabled_endpoints",): 1,
    ("loa_desk_drafts",): 9,
    ("loa_desk_urgent_drafts",): 7,
    ("loa_desk_oldest_age_seconds",): 44,
    ("loa_desk_next_deadline_timestamp_seconds",): BEGAN + 2045,
    ("loa_bus_damages",): 6,
    ("loa_service_processes", "intake"): 8,
    ("loa_status_read_timestamp_seconds",): BEGAN + 64,
    ("loa_bus_stream_used_ratio", "CONTENT"): 0.63,
    ("loa_bus_disconnects_total",): 52,
    ("loa_check_failing", "bus"): 1,
    ("loa_disk_free_bytes", "data"): 55,
    ("loa_disk_size_bytes", "data"): 56,
    ("loa_disk_free_bytes", "nats"): 57,
    ("loa_disk_size_bytes", "nats"): 58,
    ("loa_directory_lag_seconds",): 59,
    ("loa_desk_index_lag_messages",): 3,
    ("loa_portal_replica_lag_seconds",): 2.5,
    ("loa_zalo_token_obtained_timestamp_seconds",): BEGAN + 61,
    ("loa_zalo_token_expires_timestamp_seconds",): BEGAN + 62,
    ("loa_log_lines_dropped_total",): 53,
    ("loa_spans_dropped_total",): 54,
    ("loa_clock_timestamp_seconds",): BEGAN + 1051,
    ("loa_service_info", "sweep"): 1,
    ("loa_build_info", "1.2.3", "2.14"): 1,
}
"""Every sample that is not 0."""


def test_each_gauge_tells_its_own_fact():
    shown = samples(PROCESS, FACTS)
    of_status = {key for key in shown if key[0].startswith(("loa_status_findings", "loa_status_n"))}
    told = {key: value for key, value in shown.items() if key not in of_status}
    assert {key: value for key, value in told.items() if value} == TOLD
    nothing = {
        ("loa_service_processes", "sweep"),
        ("loa_bus_can_store",),
        ("loa_bus_connected",),
        ("loa_check_failing", "nats"),
    }
    assert nothing <= {key for key, value in told.items() if not value}
    names = {name for name, *_ in shown}
    assert names == {one.name for one, _ in (*metrics.FACT_METRICS, *metrics.PROCESS_METRICS)}


async def test_a_scrape_says_what_status_says(bus, clock, intake, tmp_path):
    await register_unit(bus, release="desk", urgent=True)
    soon = utc_now(clock) + timedelta(minutes=30)
    await intake.handle(submitted("tin-1", lane="urgent"), UNIT)
    await intake.handle(submitted("tin-2", not_before=soon.isoformat()), UNIT)
    await buried(DeadLetterStore(bus))
    await pauses.pause(bus, ChannelName.ZALO, "bảo trì")
    circuit = BreakerStore(bus, ChannelName.EMAIL, clock)
    await circuit.update(lambda old: breaker.fail(old, "w", "no answer", clock()))
    monitor = StatusMonitor(FactsReader(bus, ZaloSettings(), clock), (tmp_path,))
    await monitor.refresh()
    facts = replace(monitor.facts, clock=None)
    shown = samples(ProcessFacts(clock(), facts_read_at=monitor.read_at), facts)
    for finding in find(facts):
        assert shown["loa_status_findings", *sorted((finding.code, finding.severity))] == 1
    act = sum(finding.severity == "act" for finding in find(facts))
    assert act >= 3 and shown["loa_status_needs_person",] == act
    assert shown["loa_dead_letters",] == facts.dead.count == 1
    drafts = shown["loa_desk_drafts",], shown["loa_desk_urgent_drafts",]
    assert drafts == (2, 1) and len(facts.drafts) == 2
    assert shown["loa_desk_next_deadline_timestamp_seconds",] == soon.timestamp()
    assert shown["loa_channel_paused", "zalo"] == 1 and shown["loa_channel_paused", "email"] == 0
    state = facts.channels[ChannelName.EMAIL].breaker
    for one in BreakerState:
        assert shown["loa_channel_breaker", *sorted(("email", one))] == (one is state)
    assert state is not BreakerState.CLOSED and shown["loa_bus_can_store",] == 1
    assert shown["loa_status_read_timestamp_seconds",] == clock()


@pytest.fixture
def slow_monitor(bus, clock, monkeypatch):
    """A monitor whose readings wait for `go_on`, and are counted."""
    monitor = StatusMonitor(FactsReader(bus, ZaloSettings(), clock))
    monitor.go_on, monitor.reads = asyncio.Event(), 0

    async def read():
        monitor.reads += 1
        await monitor.go_on.wait()

    monkeypatch.setattr(monitor, "_read", read)
    return monitor


async def test_scrapes_share_a_reading_and_wait_for_a_slow_one_so_long_alone(slow_monitor):
    for _ in range(5):
        await slow_monitor.refresh_if_old(0.0)
    assert slow_monitor.reads == 1 and not slow_monitor.reading.done()
    slow_monitor.go_on.set()
    for _ in range(5):
        await slow_monitor.refresh_if_old(5.0)
    assert slow_monitor.reads == 1 and slow_monitor.reading.done(), "new for some seconds"
    slow_monitor.fresh_until = 0.0
    await slow_monitor.refresh_if_old(5.0)
    assert slow_monitor.reads == 2


async def test_who_asks_waits_for_the_reading_that_the_process_began_by_itself(slow_monitor):
    own = asyncio.create_task(slow_monitor.refresh())
    while not slow_monitor.reads:
        await asyncio.sleep(0)
    asked = asyncio.create_task(slow_monitor.refresh_if_old(30.0))
    await slow_monitor.refresh_if_old(0.0)
    assert not asked.done()
    slow_monitor.go_on.set()
    await asyncio.gather(own, asked)
    assert slow_monitor.reads == 1


async def test_a_reading_under_way_ends_with_the_process(slow_monitor):
    await slow_monitor.refresh_if_old(0.0)
    slow_monitor.stop()
    with pytest.raises(asyncio.CancelledError):
        await slow_monitor.reading


def test_a_process_without_facts_shows_itself_alone():
    shown = samples(ProcessFacts(5.0, checks={"bus": "no answer", "consumers": None}))
    assert shown["loa_check_failing", "bus"] == 1 and shown["loa_check_failing", "consumers"] == 0
    of_facts = {metric.name for metric, _ in metrics.FACT_METRICS}
    assert not of_facts & {name for name, *_ in shown}
    assert "loa_directory_lag_seconds" not in {name for name, *_ in shown}


def test_a_stream_that_loa_does_not_know_counts_as_other():
    usage = {"CONTENT": 50, "IN_van-phong-bo": 7, **{f"x{number}": number for number in range(99)}}
    shown = samples(ProcessFacts(0.0, stream_usage=usage))
    ratios = {key[1]: value for key, value in shown.items() if "used_ratio" in key[0]}
    assert ratios == {"CONTENT": 0.5, "IN_van-phong-bo": 0.07, "other": 0.98}


def test_a_scrape_finds_its_findings_once(monkeypatch):
    found = []
    monkeypatch.setattr(findings, "_RULES", (lambda facts: found.append(facts) or iter(()),))
    list(families(ProcessFacts(0.0), Facts(now=utc_now(lambda: 0.0))))
    assert len(found) == 1


def test_codes_of_other_catalogues_have_their_label_value():
    calls = (node for node in ast.walk(ast.parse(inspect.getsource(findings))))
    said = {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "_as_said"
    }
    assert "bus_damaged" in said and said == set(metrics._SAID_CODES)


def test_every_gauge_is_listed_for_the_documents():
    process = ProcessFacts(0.0)
    shown = {family.name for family in families(process, Facts(now=utc_now(lambda: 0.0)))}
    assert shown <= {metric.name.removesuffix("_total") for metric in all_metrics()}
