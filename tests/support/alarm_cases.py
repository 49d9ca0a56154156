"""For each alarm: series that make it fire and clear again, minute by minute."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from producers import metrics

LEAD = 10
"""Healthy minutes before the fault."""
ONE = 'instance="a:8110", job="loa"'


class Series(NamedTuple):
    """A series, and its value at a minute, of which *is_bad* says whether the fault is there."""

    name: str
    value: Callable[[int, bool], object]


@dataclass(frozen=True)
class Case:
    """*labels*: those of the alarm. *value*: what its texts show. *minutes*: its look back.

    *step*: minutes between two values.
    """

    alarm: str
    series: tuple[Series, ...]
    labels: str = ""
    value: str = ""
    minutes: int = 5
    step: int = 1


class Quiet(NamedTuple):
    """*series* by name, a value every five minutes, that leave an alarm silent at *minute*."""

    alarm: str
    series: dict[str, str]
    minute: int


def gauge(name: str, good: object, bad: object) -> Series:
    """A fact that is *good*, then *bad*; "_" is no value, "stale" the end of the series."""
    return Series(name, lambda _, is_bad: bad if is_bad else good)


def moment(name: str, good: int, bad: int) -> Series:
    """A time, in seconds from now."""
    return Series(name, lambda minute, is_bad: 60 * minute + (bad if is_bad else good))


def counter(name: str, good: int, bad: int) -> Series:
    """Series that grows by so much with each value; "_" until its first event."""
    total, begun = 0, begins_with_the_process(name)

    def value(_: int, is_bad: bool) -> object:
        nonlocal total
        total += bad if is_bad else good
        return total if total or begun else "_"

    return Series(name, value)


def begins_with_the_process(series: str) -> bool:
    """Whether a counter is there, at 0, before its first event."""
    name, _, chosen = series.partition("{")
    if re.sub("_(bucket|count|sum)$", "", name) not in {one.name for one in metrics.METRICS}:
        return True  # read at each scrape
    if name.startswith(metrics.ITEM_SECONDS.metric.name):
        return True  # begun by `sweep`
    wanted = set(re.findall(r'(\w+)="([^"]*)"', chosen))
    families = metrics.REGISTRY.collect()
    samples = [one for family in families for one in family.samples if one.name == name]
    return any(wanted <= set(one.labels.items()) for one in samples)


def once(name: str, minute: int) -> Series:
    """A counter's series that begins with its one event, at this minute of the fault."""
    begin = LEAD + minute
    return Series(name, lambda now, _: 1 if now >= begin else "_")


def buckets(name: str, labels: str, edges: tuple[float, float]) -> tuple[Series, ...]:
    """A histogram whose one observation a minute is below the first edge, or beyond it."""
    fast, slow = edges
    said = f"{labels}, " if labels else ""
    below = counter(f'{name}_bucket{{{said}le="{fast}"}}', 1, 0)
    return (
        below,
        counter(f'{name}_bucket{{{said}le="{slow}"}}', 1, 1),
        counter(f'{name}_bucket{{{said}le="+Inf"}}', 1, 1),
    )


def delivery(lane: str, edges: tuple[float, float], value: str) -> Case:
    labels = f'channel="email", lane="{lane}"'
    series = buckets("loa_item_delivery_seconds", f'{labels}, reached="95"', edges)
    return Case("LoaDeliverySlow", series, labels, value, 60)


def backlog(lane: str, age: int, value: str) -> Case:
    labels = f'channel="email", lane="{lane}"'
    series = (
        gauge(f"loa_backlog_ready_age_seconds{{{labels}}}", 0, age),
        gauge('loa_channel_paused{channel="email"}', 0, 0),
    )
    is_quick = lane in ("urgent", "notice")
    return Case("LoaBacklogOld" if is_quick else "LoaBacklogLong", series, labels, value)


def deliveries(outcome: str, good: int, bad: int) -> Series:
    said = f'channel="email", outcome="{outcome}", reason="none"'
    return counter(f"loa_delivery_attempts_total{{{said}}}", good, bad)


def reports(kind: str, bad: int) -> Series:
    return counter(f'loa_mail_reports_total{{kind="{kind}", meaning="none"}}', 0, bad)


def disk(alarm: str, free: int, value: str) -> Case:
    labels = f'folder="data", {ONE}'
    series = (
        gauge(f"loa_disk_free_bytes{{{labels}}}", 50 << 30, free),
        gauge(f"loa_disk_size_bytes{{{labels}}}", 100 << 30, 100 << 30),
    )
    return Case(alarm, series, labels, value)


def fact(alarm: str, series: str, bad: object, value: str = "", good: object = 0) -> Case:
    """An alarm of one gauge; its labels but those of the process are the alarm's."""
    return Case(alarm, (gauge(series, good, bad),), value=value)


CASES = (
    Case("LoaServiceDown", (gauge(f"up{{{ONE}}}", 1, 0),), ONE),
    Case(
        "LoaServiceRestarts",
        (counter(f"process_start_time_seconds{{{ONE}}}", 0, 9),),
        ONE,
        "15",
        20,
    ),
    Case(
        "LoaCheckFailing",
        (gauge(f'loa_check_failing{{check="consumers", {ONE}}}', 0, 1),),
        'check="consumers"',
        "1",
    ),
    Case(
        "LoaStatusUnread",
        (
            moment('loa_status_read_timestamp_seconds{instance="a"}', 0, 0),
            moment('loa_status_read_timestamp_seconds{instance="b"}', 0, -400),
        ),
        'instance="b"',
    ),
    Case(
        "LoaServiceSilent",
        (gauge('loa_service_processes{service="intake"}', 2, 0),),
        'service="intake"',
    ),
    Case("LoaStatusUnread", (gauge("loa_status_read_timestamp_seconds", 1e6, "stale"),)),
    Case(
        "LoaNeedsPerson",
        (
            gauge('loa_status_findings{code="retention_held", severity="act"}', "stale", 1),
            gauge('loa_status_findings{code="disk_full", severity="act"}', "stale", 1),
            gauge('loa_status_findings{code="disk_low", severity="watch"}', "stale", 1),
        ),
        'code="retention_held"',
    ),
    Case(
        "LoaVersionsDiffer",
        (
            gauge('loa_build_info{version="0.1.0"}', 1, 1),
            gauge('loa_build_info{version="0.2.0"}', "stale", 1),
        ),
        value="2",
    ),
    Case(
        "LoaClockDiffers", (moment(f"loa_clock_timestamp_seconds{{{ONE}}}", 0, 90),), ONE, "1m 30s"
    ),
    Case(
        "LoaLogLinesDropped",
        (counter(f"loa_log_lines_dropped_total{{{ONE}}}", 0, 3),),
        ONE,
        minutes=20,
    ),
    fact("LoaBusCannotStore", "loa_bus_can_store", 0, good=1),
    fact("LoaBusDamaged", "loa_bus_damages", 1),
    Case(
        "LoaBusUnsteady", (counter(f"loa_bus_disconnects_total{{{ONE}}}", 0, 1),), ONE, minutes=20
    ),
    Case(
        "LoaStreamFilling",
        (gauge('loa_bus_stream_used_ratio{stream="DEAD"}', 0.1, 0.85),),
        'stream="DEAD"',
        "85%",
    ),
    Case(
        "LoaStreamFull",
        (gauge('loa_bus_stream_used_ratio{stream="DEAD"}', 0.1, 0.97),),
        'stream="DEAD"',
        "97%",
    ),
    Case(
        "LoaLedgerSlow", buckets("loa_ledger_write_seconds", "", (1, 5)), value="4.8s", minutes=20
    ),
    disk("LoaDiskLow", 5 << 30, "5%"),
    disk("LoaDiskFull", 1 << 29, "0.5%"),
    fact("LoaDirectoryBehind", "loa_directory_lag_seconds", 60, "1m 0s"),
    Case(  # each minute it is another unit's first
        "LoaDoorUnavailable",
        (
            *(once(f'loa_events_total{{unit="{n}", answer="unavailable"}}', n) for n in range(7)),
            counter('loa_door_request_seconds_count{result="unavailable"}', 0, 1),
        ),
    ),
    Case(
        "LoaDoorSlow",
        buckets("loa_door_request_seconds", 'result="accepted"', (1, 5)),
        value="4.8s",
        minutes=20,
    ),
    Case(
        "LoaUnitRefused",
        (
            counter('loa_events_total{unit="a", answer="accepted"}', 1, 0),
            counter('loa_events_total{unit="a", answer="invalid"}', 0, 1),
        ),
        'unit="a"',
        "60",
        65,
    ),
    Case(  # a burst with which the series begins
        "LoaUnitRefused",
        (
            gauge('up{job="loa"}', 1, 1),
            counter('loa_events_total{unit="a", answer="accepted"}', 1, 0),
            Series(
                'loa_events_total{unit="a", answer="invalid"}',
                lambda minute, _: "_" if minute < 60 else 50,
            ),
        ),
        'unit="a"',
        "50",
        75,
    ),
    fact("LoaDeadLetters", "loa_dead_letters", 2, "2"),
    Case("LoaDeskDeadline", (moment("loa_desk_next_deadline_timestamp_seconds", 7200, -60),)),
    fact("LoaDeskUrgent", "loa_desk_urgent_drafts", 1, "1"),
    fact("LoaDeskWaits", "loa_desk_oldest_age_seconds", 90000, "1d 1h 0m 0s"),
    Case(
        "LoaFeedStale",
        (gauge('loa_feed_failures{unit="a", feed="f"}', 0, 5),),
        'unit="a", feed="f"',
    ),
    Case(
        "LoaFeedStale",
        (moment('loa_feed_read_timestamp_seconds{unit="a", feed="f"}', 0, -200000),),
        'unit="a", feed="f"',
    ),
    Case(
        "LoaCallbacksLate",
        (gauge('loa_status_findings{severity="act", code="callback_late"}', 0, 1),),
        'code="callback_late"',
    ),
    fact("LoaCallbacksFail", "loa_callbacks_oldest_age_seconds", 4000),
    fact("LoaCallbacksFail", "loa_callbacks_disabled_endpoints", 1),
    Case(
        "LoaBreakerOpen",
        (
            gauge('loa_channel_breaker{channel="email", state="closed"}', 1, 0),
            gauge('loa_channel_breaker{channel="email", state="half-open"}', 0, 0),
            gauge('loa_channel_breaker{channel="email", state="open"}', 0, 1),
        ),
        'channel="email"',
    ),
    Case(
        "LoaChannelPaused", (gauge('loa_channel_paused{channel="email"}', 0, 1),), 'channel="email"'
    ),
    Case(
        "LoaCanaryLate",
        (
            gauge('loa_canary_state{channel="email", state="late"}', 0, 1),
            gauge('loa_canary_state{channel="email", state="ok"}', 1, 0),
        ),
        'channel="email"',
    ),
    Case(
        "LoaChannelStuck",
        (
            gauge('loa_backlog_ready_age_seconds{channel="email", lane="normal"}', 900, 900),
            gauge('loa_channel_paused{channel="email"}', 0, 0),
            gauge('loa_channel_breaker{channel="email", state="open"}', 0, 0),
            deliveries("delivered", 1, 0),
            deliveries("held", 0, 1),
        ),
        'channel="email"',
        minutes=20,
    ),
    backlog("urgent", 150, "2m 30s"),
    backlog("notice", 660, "11m 0s"),
    backlog("normal", 2400, "40m 0s"),
    backlog("bulk", 18000, "5h 0m 0s"),
    delivery("urgent", (60, 300), "3m 0s"),
    delivery("notice", (300, 900), "10m 0s"),
    delivery("normal", (900, 3600), "37m 30s"),
    delivery("bulk", (14400, 28800), "6h 0m 0s"),
    Case(
        "LoaDeliveriesFail",
        (deliveries("delivered", 10, 10), deliveries("failed", 0, 1)),
        'channel="email"',
        "60",
        65,
    ),
    Case("LoaDeliveriesExpired", (deliveries("expired", 0, 1),), 'channel="email"', "60", 65),
    Case(
        "LoaManyCopies",
        (counter('loa_delivery_copies_total{channel="email"}', 0, 5),),
        'channel="email"',
        "300",
        65,
    ),
    Case(
        "LoaRowsInDoubt",
        (
            gauge('loa_rows_in_doubt{channel="email", lane="normal", instance="a"}', 0, 20),
            gauge('loa_rows_in_doubt{channel="email", lane="bulk", instance="a"}', 0, 10),
        ),
        'channel="email"',
        "30",
    ),
    fact("LoaPortalUnseen", "loa_portal_unseen", 1),
    fact("LoaMailStopped", "loa_mail_stopped_items", 1, "1"),
    fact("LoaMailRefused", "loa_mail_refused_items", 1, "1"),
    Case("LoaMailSlowed", (gauge("loa_mail_slowed_level", 0, 5),), value="5"),
    Case("LoaMailBounces", (deliveries("delivered", 1, 1), reports("bounce", 1)), "", "360", 400),
    Case(
        "LoaMailComplaints",
        (deliveries("delivered", 1, 1), reports("complaint", 1)),
        "",
        "288",
        1500,
        5,
    ),
    Case(
        "LoaZaloLimitLow",
        (
            gauge('loa_zalo_limit_used{limit="articles"}', 10, 90),
            gauge('loa_zalo_limit_max{limit="articles"}', 100, 100),
            gauge('loa_zalo_limit_used{limit="notices"}', 0, 5),
            gauge('loa_zalo_limit_max{limit="notices"}', 0, 0),
        ),
        'limit="articles"',
        "90%",
    ),
    Case(
        "LoaZaloLimitUsedUp",
        (
            gauge('loa_zalo_limit_used{limit="articles"}', 10, 100),
            gauge('loa_zalo_limit_max{limit="articles"}', 100, 100),
        ),
        'limit="articles"',
    ),
    Case(  # what is left pays for no message: rows wait
        "LoaZaloLimitUsedUp",
        (
            gauge('loa_zalo_limit_used{limit="monthly-money"}', 999900, 999900),
            gauge('loa_zalo_limit_max{limit="monthly-money"}', 1000000, 1000000),
            gauge('loa_status_findings{severity="act", code="limit_used_up"}', "stale", 1),
        ),
        'code="limit_used_up"',
    ),
    Case(
        "LoaZaloTokenEnds",
        (
            moment("loa_zalo_token_obtained_timestamp_seconds", -3600, -84600),
            moment("loa_zalo_token_expires_timestamp_seconds", 86400, 5400),
        ),
        value="1h 30m 0s",
    ),
    Case(
        "LoaZaloConsentEnds",
        (moment("loa_zalo_consent_ends_timestamp_seconds", 7000000, 86400),),
        value="1d 0h 0m 0s",
    ),
    fact("LoaZaloUnknown", "loa_zalo_unknown_rows", 2, "2"),
    Case(  # as long as a person has not settled it, however old
        "LoaZaloUnknown",
        (gauge("loa_zalo_unknown_rows", 0, 1),),
        value="1",
        minutes=500,
        step=5,
    ),
)

QUIET = (
    Quiet(  # anyone can knock without a unit's key
        "LoaUnitRefused",
        {'loa_events_total{unit="other", answer="unauthorized"}': "0+5x30"},
        60,
    ),
    Quiet(  # a Prometheus that was away for days sees the counters of those days
        "LoaUnitRefused",
        {'loa_events_total{unit="a", answer="invalid"}': "900x30", 'up{job="loa"}': "1x30"},
        30,
    ),
    Quiet(  # late bounces of yesterday's mail, at night
        "LoaMailBounces",
        {
            'loa_delivery_attempts_total{channel="email", outcome="delivered"}': (
                "0+10000x9 100000x300"
            ),
            'loa_mail_reports_total{kind="bounce"}': "0x280 0+5x12",
        },
        1440,
    ),
)
