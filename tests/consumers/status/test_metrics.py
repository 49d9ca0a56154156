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
from consumers.dead_letters.store import DeadLetterStore
from consumers.status import findings, metrics
from consumers.status.facts import FactsReader, StatusMonitor
from consumers.status.findings import Facts, find
from consumers.status.metrics import ProcessFacts, all_metrics, families
from contracts.base.times import utc_now
from contracts.delivery import ChannelName
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
