"""Gauges for `/metrics`, made from the facts of `loa status` and from those of the process.

Pure: each gauge is a function of gathered facts. `all_metrics` lists all metrics for the documents.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric as Family

from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.canary.status import CanaryState, CanaryStatus
from consumers.messages import load_catalog
from consumers.status.findings import DiskSpace, Facts
from consumers.status.report import ChannelStatus, LaneStatus, Severity
from consumers.status.zalo_limits import LimitUse
from consumers.zalo.wait_causes import Limit
from contracts import subjects
from contracts.delivery import ChannelName
from producers.metrics import CHANNEL, LANE, METRICS, Label, Metric

Rows = Mapping[tuple[str, ...], float]
_FACTS = "the process that runs `sweep`"
_HERE = "each process"
_CANARY_STATES: tuple[CanaryState, ...] = ("off", "waiting", "ok", "late", "paused")
_ZALO_QUOTA = "zalo-broadcasts"
"""The quota that Zalo itself grants."""
_SAID_CODES = (
    *("bus_damaged", "bus_key_served", "files_lost", "key_wrong", "pages_unseen"),
    *("retention_held",),
)
"""Codes of findings whose texts are in other catalogues."""
_CHECKS = ("bus", "consumers", "directory", "nats", "replica")
_INBOUND = subjects.inbound_stream("").name
FOLDERS = ("data", "nats", "portal")


def _limit_value(limit: Limit) -> str:
    """The label value of one of our limits: the words of its name, joined."""
    return limit.replace(" ", "-")


_KNOWN_UNREAD = ("loa_bus_can_store", "loa_status_findings", "loa_status_needs_person")
"""Metrics that a first reading has even if it fails: that the bus stores, and all findings."""
_STATE = Label("state", BreakerState)
_CANARY = Label("state", _CANARY_STATES)
_LIMIT = Label("limit", [*map(_limit_value, Limit), _ZALO_QUOTA])
_SERVICE = Label("service", (), "names of `loa run`")
_SEVERITY = Label("severity", Severity)
CODE = Label("code", [*load_catalog("status"), *_SAID_CODES], "codes of `loa status`")
_STREAM = Label(
    "stream",
    [spec.name for spec in subjects.STREAMS] + [f"KV_{spec.name}" for spec in subjects.BUCKETS],
    "streams of Loa, its buckets as `KV_...`, and `IN_<unit>`",
)


@dataclass(frozen=True)
class TokenTimes:
    """The times of Zalo's token pair, in seconds since the epoch."""

    obtained_at: float
    expires_at: float


@dataclass(frozen=True)
class ProcessFacts:
    """One process's facts about itself. `checks`: the problem of each check of `/readyz`."""

    now: float
    checks: Mapping[str, str | None] = field(default_factory=dict)
    is_connected: bool = True
    disconnects: int = 0
    dropped_lines: int = 0
    dropped_spans: int = 0
    disks: Mapping[str, DiskSpace] = field(default_factory=dict)
    directory_at: float | None = None
    desk_index_lag: int | None = None
    replica_lag: float | None = None
    token: TokenTimes | None = None
    services: Iterable[str] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    stream_usage: Mapping[str, int] = field(default_factory=dict)
    facts_read_at: float = 0.0


def families(
    process: ProcessFacts, facts: Facts | None, *, is_read: bool = True
) -> Iterator[Family]:
    """The gauges of *process*, and those of *facts* where it gathers them.

    Not *is_read*: no reading of the bus has succeeded yet, so most facts are not known.
    """
    for metric, read_process in PROCESS_METRICS:
        yield _family(metric, read_process(process))
    for metric, read_facts in FACT_METRICS if facts else ():
        if facts and (is_read or metric.name in _KNOWN_UNREAD):
            yield _family(metric, read_facts(facts))


def all_metrics() -> list[Metric]:
    """Every metric, in the order of docs/metrics.md."""
    return [*METRICS, *(metric for metric, _ in (*FACT_METRICS, *PROCESS_METRICS))]


def _family(metric: Metric, rows: Rows) -> Family:
    if metric.kind != "counter":
        return metric.family(rows)
    names = [label.name for label in metric.labels]
    family = CounterMetricFamily(metric.name, metric.help, labels=names)
    for values, value in rows.items():
        family.add_metric(values, value)
    return family


def _one(value: float | None) -> Rows:
    """A value without labels; no series without a value."""
    return {} if value is None else {(): float(value)}


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _age(facts: Facts, since: datetime | None) -> Rows:
    """The age of the oldest; 0 where nothing waits."""
    return _one(max((facts.now - since).total_seconds(), 0.0) if since else 0.0)


def _of_lanes(read: Callable[[LaneStatus], float]) -> Callable[[Facts], Rows]:
    return lambda facts: {
        (name, lane): read(status)
        for name, channel in facts.channels.items()
        for lane, status in channel.lanes.items()
    }


def _of_channels(read: Callable[[ChannelStatus], float]) -> Callable[[Facts], Rows]:
    return lambda facts: {(name,): read(channel) for name, channel in facts.channels.items()}


def _of_mail(read: Callable[[ChannelStatus], float]) -> Callable[[Facts], Rows]:
    def rows(facts: Facts) -> Rows:
        mail = facts.channels.get(ChannelName.EMAIL)
        return _one(read(mail) if mail else None)

    return rows


def _breakers(facts: Facts) -> Rows:
    return {
        (name, state): float(channel.breaker is state)
        for name, channel in facts.channels.items()
        for state in BreakerState
    }


def _canary_states(facts: Facts) -> Rows:
    return {
        (name, state): float(channel.canary.state == state)
        for name, channel in facts.channels.items()
        for state in _CANARY_STATES
    }


def _of_canaries(read: Callable[[CanaryStatus], datetime | None]) -> Callable[[Facts], Rows]:
    def rows(facts: Facts) -> Rows:
        times = {name: read(channel.canary) for name, channel in facts.channels.items()}
        return {(name,): at.timestamp() for name, at in times.items() if at}

    return rows


def _unseen(facts: Facts) -> Rows:
    portal = facts.channels.get(ChannelName.PORTAL)
    return _one(float(portal.unseen is not None) if portal else None)


def _unseen_since(facts: Facts) -> Rows:
    portal = facts.channels.get(ChannelName.PORTAL)
    return _one(portal.unseen.since.timestamp() if portal and portal.unseen else None)


def _of_limits(read: Callable[[LimitUse], float]) -> Callable[[Facts], Rows]:
    return lambda facts: {
        (_limit_value(use.limit) if use.limit else _ZALO_QUOTA,): read(use) for use in facts.limits
    }


def _finding_counts(facts: Facts) -> Rows:
    counts: dict[tuple[str, ...], float] = {}
    for finding in facts.findings:
        place = (finding.severity, CODE.bound(finding.code))
        counts[place] = counts.get(place, 0) + 1
    return counts


def _needs_person(facts: Facts) -> Rows:
    return _one(sum(finding.severity is Severity.ACT for finding in facts.findings))


def _next_deadline(facts: Facts) -> Rows:
    return _one(_seconds(min((one.deadline for one in facts.drafts if one.deadline), default=None)))


def _oldest_callback(facts: Facts) -> Rows:
    endpoints = facts.failing_endpoints
    failing = (one.since for one in endpoints if not (one.is_disabled or one.is_late))
    return _age(facts, min(failing, default=None))


def _oldest_draft(facts: Facts) -> Rows:
    return _age(facts, min((draft.since for draft in facts.drafts), default=None))


def _stream_ratios(process: ProcessFacts) -> Rows:
    """The fill of each stream; only an administrator makes inbound streams, one for a unit."""
    rows: dict[tuple[str, ...], float] = {}
    for name, percent in process.stream_usage.items():
        place = (name if name.startswith(_INBOUND) else _STREAM.bound(name),)
        rows[place] = max(rows.get(place, 0.0), percent / 100)
    return rows


def _of_token(read: Callable[[TokenTimes], float]) -> Callable[[ProcessFacts], Rows]:
    return lambda process: _one(read(process.token) if process.token else None)


def _of_disks(read: Callable[[DiskSpace], float]) -> Callable[[ProcessFacts], Rows]:
    return lambda process: {(folder,): read(space) for folder, space in process.disks.items()}


def _directory_lag(process: ProcessFacts) -> Rows:
    at = process.directory_at
    return _one(None if at is None else max(process.now - at, 0.0))


def _gauge(name: str, text: str, *labels: Label, source: str = _FACTS) -> Metric:
    return Metric(f"loa_{name}", "gauge", text, source, labels)


def _lane_gauge(
    name: str, text: str, read: Callable[[LaneStatus], float]
) -> tuple[Metric, Callable[[Facts], Rows]]:
    """A gauge of every lane of every channel."""
    return _gauge(name, text, CHANNEL, LANE), _of_lanes(read)


FACT_METRICS: list[tuple[Metric, Callable[[Facts], Rows]]] = [
    _lane_gauge("backlog_rows", "Rows that wait", lambda lane: lane.backlog),
    _lane_gauge(
        "backlog_oldest_age_seconds",
        "Age of the oldest batch with rows that wait; 0: none",
        lambda lane: lane.oldest_s,
    ),
    _lane_gauge("backlog_ready_rows", "Rows that wait and may go now", lambda lane: lane.ready),
    _lane_gauge(
        "backlog_ready_age_seconds",
        "For how long the first of them may have gone; 0: none",
        lambda lane: lane.ready_s,
    ),
    _lane_gauge(
        "rows_in_doubt",
        "Rows that may have been sent, and are not settled",
        lambda lane: lane.in_doubt,
    ),
    (
        _gauge(
            "channel_breaker",
            "1 for the present state of the channel's breaker; of two, the one that is not closed",
            CHANNEL,
            _STATE,
        ),
        _breakers,
    ),
    (
        _gauge("channel_paused", "1 while a person has paused the channel", CHANNEL),
        _of_channels(lambda channel: channel.paused),
    ),
    (
        _gauge("mail_slowed_level", "How many levels mail is slowed down; 0: full pace"),
        _of_mail(lambda mail: mail.slowed),
    ),
    (
        _gauge(
            "mail_stopped_items", "Publications that wait because too many of their mails came back"
        ),
        _of_mail(lambda mail: len(mail.stopped)),
    ),
    (
        _gauge("mail_refused_items", "Publications of whose mails the relay takes none"),
        _of_mail(lambda mail: len(mail.refused)),
    ),
    (_gauge("portal_unseen", "1 while readers can't see what the portal has written"), _unseen),
    (
        _gauge("portal_unseen_since_timestamp_seconds", "Since when; no series while they can"),
        _unseen_since,
    ),
    (
        _gauge("canary_state", "1 for the present state of the channel's canary", CHANNEL, _CANARY),
        _canary_states,
    ),
    (
        _gauge(
            "canary_ok_timestamp_seconds",
            "When the last good canary came back, or the time limit of the first began",
            CHANNEL,
        ),
        _of_canaries(lambda canary: canary.since),
    ),
    (
        _gauge(
            "canary_next_timestamp_seconds",
            "When the next canary goes; no series while one is on its way",
            CHANNEL,
        ),
        _of_canaries(lambda canary: canary.next_at),
    ),
    (
        _gauge(
            "zalo_limit_used",
            "Used part of a limit for Zalo, or of Zalo's own quota: messages; "
            "of `daily-money` and `monthly-money`, đồng",
            _LIMIT,
        ),
        _of_limits(lambda use: use.used),
    ),
    (
        _gauge("zalo_limit_max", "The limit, in the same unit; no series without one", _LIMIT),
        _of_limits(lambda use: use.most),
    ),
    (
        _gauge("zalo_limit_reset_timestamp_seconds", "When the limit begins anew", _LIMIT),
        _of_limits(lambda use: use.until.timestamp()),
    ),
    (
        _gauge(
            "zalo_unknown_rows",
            "Broadcasts and case notices that only a receipt or a person can end",
        ),
        lambda facts: _one(facts.unknown_sends.count),
    ),
    (
        _gauge(
            "zalo_consent_ends_timestamp_seconds",
            "When the refresh token ends, if it is not used before; no series without one",
        ),
        lambda facts: _one(_seconds(facts.consent_ends)),
    ),
    (
        _gauge("dead_letters", "Dead letters that are not dealt with"),
        lambda facts: _one(facts.dead.count),
    ),
    (
        _gauge("dead_letters_oldest_age_seconds", "Age of the oldest dead letter; 0: none"),
        lambda facts: _age(facts, facts.dead.since),
    ),
    (
        _gauge(
            "callbacks_oldest_age_seconds",
            "For how long the oldest callback fails, of endpoints that are called; 0: none",
        ),
        _oldest_callback,
    ),
    (
        _gauge("callbacks_disabled_endpoints", "Endpoints of units that are called no more"),
        lambda facts: _one(sum(one.is_disabled for one in facts.failing_endpoints)),
    ),
    (_gauge("desk_drafts", "Drafts at the desk"), lambda facts: _one(len(facts.drafts))),
    (
        _gauge("desk_urgent_drafts", "Urgent drafts at the desk"),
        lambda facts: _one(sum(draft.is_urgent for draft in facts.drafts)),
    ),
    (
        _gauge("desk_oldest_age_seconds", "For how long the oldest draft waits; 0: none"),
        _oldest_draft,
    ),
    (
        _gauge(
            "desk_next_deadline_timestamp_seconds",
            "The first `not_before` or `expires_at` of a draft, be it past; no series without one",
        ),
        _next_deadline,
    ),
    (
        _gauge("bus_can_store", "0 if the bus did not take a test message"),
        lambda facts: _one(not facts.store_problem),
    ),
    (
        _gauge("bus_damages", "Streams that have lost something, or have foreign settings"),
        lambda facts: _one(len(facts.damages)),
    ),
    (
        _gauge(
            "status_findings",
            "Findings of `loa status`, as far as this process has their facts; no series for none",
            _SEVERITY,
            CODE,
        ),
        _finding_counts,
    ),
    (
        _gauge(
            "service_processes",
            "Processes that run a service, by what they said on the bus within a minute; "
            "0 for a day after the last one fell silent, no series once it was stopped",
            _SERVICE,
        ),
        lambda facts: {(service,): number for service, number in facts.services.items()},
    ),
    (
        _gauge(
            "status_needs_person", "Findings that need a person now (exit code 1 of `loa status`)"
        ),
        _needs_person,
    ),
]
"""Gauges of gathered facts; every process that gathers them says the same."""

PROCESS_METRICS: list[tuple[Metric, Callable[[ProcessFacts], Rows]]] = [
    (
        _gauge(
            "status_read_timestamp_seconds",
            "When the facts were last read; no series where they are not",
        ),
        lambda process: _one(process.facts_read_at or None),
    ),
    (
        _gauge(
            "bus_stream_used_ratio",
            "Used part of a stream's byte limit, measured every five minutes",
            _STREAM,
        ),
        _stream_ratios,
    ),
    (
        _gauge("bus_connected", "1 while the process is connected to the bus", source=_HERE),
        lambda process: _one(process.is_connected),
    ),
    (
        Metric("loa_bus_disconnects_total", "counter", "Lost connections to the bus", _HERE),
        lambda process: _one(process.disconnects),
    ),
    (
        _gauge(
            "check_failing",
            "1 while a check of `/readyz` fails in this process",
            Label("check", _CHECKS),
            source=_HERE,
        ),
        lambda process: {(name,): float(bool(one)) for name, one in process.checks.items()},
    ),
    (
        _gauge(
            "disk_free_bytes",
            "Free bytes of the disk with a folder of Loa",
            Label("folder", FOLDERS),
            source=_HERE,
        ),
        _of_disks(lambda space: space.free),
    ),
    (
        _gauge("disk_size_bytes", "All bytes of that disk", Label("folder", FOLDERS), source=_HERE),
        _of_disks(lambda space: space.total),
    ),
    (
        _gauge(
            "directory_lag_seconds",
            "Age of the last moment at which the copy of the readers was complete",
            source="dispatch, deliver-email, digests",
        ),
        _directory_lag,
    ),
    (
        _gauge(
            "portal_replica_lag_seconds",
            "How much older than the portal this replica's files are; no series before it knows",
            source="portal-replica",
        ),
        lambda process: _one(process.replica_lag),
    ),
    (
        _gauge(
            "desk_index_lag_messages",
            "Messages of the editorial log that are not in the desk's index",
            source="desk",
        ),
        lambda process: _one(process.desk_index_lag),
    ),
    (
        _gauge(
            "zalo_token_obtained_timestamp_seconds",
            "When Zalo's token pair was obtained; no series without one",
            source="deliver-zalo",
        ),
        _of_token(lambda token: token.obtained_at),
    ),
    (
        _gauge(
            "zalo_token_expires_timestamp_seconds",
            "When the access token expires; it is renewed in time",
            source="deliver-zalo",
        ),
        _of_token(lambda token: token.expires_at),
    ),
    (
        Metric(
            "loa_log_lines_dropped_total", "counter", "Log lines that could not be written", _HERE
        ),
        lambda process: _one(process.dropped_lines),
    ),
    (
        Metric(
            "loa_spans_dropped_total",
            "counter",
            "Spans of traces that found no room, or no collector",
            _HERE,
        ),
        lambda process: _one(process.dropped_spans),
    ),
    (
        _gauge("clock_timestamp_seconds", "The clock of the process", source=_HERE),
        lambda process: _one(process.now),
    ),
    (
        _gauge(
            "service_info",
            "1 for each service that runs in the process",
            _SERVICE,
            source=_HERE,
        ),
        lambda process: {(name,): 1.0 for name in process.services},
    ),
    (
        _gauge(
            "build_info",
            "1; the versions are its labels",
            Label("version", (), "of Loa"),
            Label("nats_server", (), "of the server"),
            source=_HERE,
        ),
        lambda process: {
            tuple(process.versions.get(one, "") for one in ("loa", "nats_server")): 1.0
        },
    ),
]
"""Metrics of each process about itself."""
