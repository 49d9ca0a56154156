"""Metrics of this process: what its code counts and times. docs/metrics.md is made from them.

A label's values are a closed list; any other value counts as `other`, so that no sender can make
series. Names follow Prometheus: base units, `_total` for counters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family

from contracts import events
from contracts.delivery import ChannelName, Lane
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT

Kind = Literal["counter", "histogram", "gauge"]
OTHER = "other"
REGISTRY = CollectorRegistry()
_MAX_TABLE_ROWS = 500
disable_created_metrics()


class Label:
    """A label and its values; `described`: these, where they differ between installations."""

    def __init__(self, name: str, values: Iterable[str], described: str = "") -> None:
        self.name = name
        self.values = dict.fromkeys(values)
        self.described = described

    def allow(self, values: Iterable[str]) -> None:
        """Allow more *values*: those of this installation."""
        self.values |= dict.fromkeys(values)

    def bound(self, value: str) -> str:
        """*value*, or `other` for a value that is not on the list."""
        return value if value in self.values else OTHER


@dataclass(frozen=True)
class Metric:
    """The documentation of one metric. `source`: where the value comes from."""

    name: str
    kind: Kind
    help: str
    source: str
    labels: tuple[Label, ...] = ()

    def bound(self, values: Sequence[str]) -> list[str]:
        """Bounded label *values*."""
        return [label.bound(one) for label, one in zip(self.labels, values, strict=True)]

    def family(self, rows: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
        """A gauge with a value for each combination of labels."""
        family = GaugeMetricFamily(self.name, self.help, labels=[one.name for one in self.labels])
        for values, value in rows.items():
            family.add_metric(values, value)
        return family


METRICS: list[Metric] = []
"""Everything that this module defines, in the order of docs/metrics.md."""


class CounterMetric:
    """A counter; `first` are the label values that exist from the start, at 0."""

    def __init__(self, metric: Metric, first: Iterable[tuple[str, ...]] = ()) -> None:
        METRICS.append(metric)
        self.metric = metric
        names = [label.name for label in metric.labels]
        self._counter = Counter(metric.name, metric.help, names, registry=REGISTRY)
        for values in first:
            self._counter.labels(*values)

    def add(self, *values: str, by: int = 1) -> None:
        """Count *by* events; other values than those allowed count as `other`."""
        child = self._counter.labels(*self.metric.bound(values)) if values else self._counter
        child.inc(by)


class HistogramMetric:
    """A histogram of seconds, with *edges* as its buckets."""

    def __init__(self, metric: Metric, edges: Sequence[float]) -> None:
        METRICS.append(metric)
        self.metric = metric
        names = [label.name for label in metric.labels]
        self._histogram = Histogram(
            metric.name, metric.help, names, buckets=edges, registry=REGISTRY
        )

    def observe(self, seconds: float, *values: str) -> None:
        bound = self.metric.bound(values)
        (self._histogram.labels(*bound) if values else self._histogram).observe(max(seconds, 0.0))


class GaugeTable:
    """Gauges that are replaced as a whole: what is gone has no series any more.

    Of more than 500 rows, the rest is one row, `other`, with the lowest value.
    """

    def __init__(self, metric: Metric) -> None:
        METRICS.append(metric)
        self.metric = metric
        self.rows: Mapping[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def replace(self, rows: Mapping[tuple[str, ...], float]) -> None:
        """Replace all rows by *rows*."""
        ordered = sorted(rows.items())
        kept, rest = dict(ordered[:_MAX_TABLE_ROWS]), ordered[_MAX_TABLE_ROWS:]
        if rest:
            kept[(OTHER,) * len(self.metric.labels)] = min(value for _, value in rest)
        self.rows = kept

    def collect(self) -> Iterator[Family]:
        yield self.metric.family(self.rows)


CHANNEL = Label("channel", ChannelName)
LANE = Label("lane", Lane)
UNIT = Label("unit", DEFAULT.units, "ids of units in the vocabulary, or `other`")
FEED = Label("feed", (), "ids of registered feeds")
EVENT_KIND = Label("kind", [*map(events.kind_of, events.KINDS), OTHER])
ANSWER = Label(
    "answer",
    [
        *("accepted", "known"),
        *sorted(kind.code for kind in ContractError.__subclasses__()),
        "error",
    ],
)
DOOR = Label("door", ["http", "bus", "import", "intake"])


def event_kind(event_type: str) -> str:
    """The kind of an event for a label; `other` for a type that Loa does not know."""
    return events.kind_of(event_type) if event_type in events.KINDS else OTHER


EVENTS = CounterMetric(
    Metric(
        "loa_events_total",
        "counter",
        "Events by unit, kind and answer. A request that could not be read counts as one event. "
        "`known`: a repeat. `intake`: refused after the HTTP door had accepted it",
        "gateway, import, intake",
        (UNIT, EVENT_KIND, ANSWER, DOOR),
    )
)
DOOR_SECONDS = HistogramMetric(
    Metric(
        "loa_door_request_seconds",
        "histogram",
        "Time from a request of POST /v1/events to its answer",
        "gateway",
        (Label("result", ["accepted", "refused", "unavailable"]),),
    ),
    (0.01, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
FEED_READ = GaugeTable(
    Metric(
        "loa_feed_read_timestamp_seconds",
        "gauge",
        "When a feed was last read successfully; 0: never",
        "import",
        (UNIT, FEED),
    )
)
FEED_FAILURES = GaugeTable(
    Metric(
        "loa_feed_failures",
        "gauge",
        "Failed visits to a feed since it was last read",
        "import",
        (UNIT, FEED),
    )
)
OUTCOMES = (
    *("delivered", "failed", "suppressed", "deferred", "held", "unsent", "doubt"),
    *("absent", "resend", "unknown", "expired"),
)
REASONS = (
    *("none", "no_mailbox", "mailbox_full", "no_cause", "content", "protocol", "policy"),
    *("throttled", "greylisted", "temporary", "connection", "quota", "token", "operator"),
    *("recipient", "left", "suppressed", "not_seen", "expired", OTHER),
)
DELIVERIES = CounterMetric(
    Metric(
        "loa_deliveries_total",
        "counter",
        "Rows by the channel's answer and its reason; a row counts with each attempt. "
        "`suppressed` and `expired` with the reasons `left`, `suppressed`, `expired` were not sent",
        "deliver-...",
        (CHANNEL, Label("outcome", OUTCOMES), Label("reason", REASONS)),
    ),
    [(channel, "delivered", "none") for channel in ChannelName],
)
COPIES = CounterMetric(
    Metric(
        "loa_delivery_copies_total",
        "counter",
        "Rows sent again after a doubt: possible copies (`maybe_duplicate`)",
        "deliver-...",
        (CHANNEL,),
    ),
    [(channel,) for channel in ChannelName],
)
REACHED = ("first", "half", "95", "last")
ITEM_SECONDS = HistogramMetric(
    Metric(
        "loa_item_delivery_seconds",
        "histogram",
        "Time until the first, 50 %, 95 % and the last of those who could be reached got an item; "
        "from its acceptance, its approval or its `not_before`, whichever comes last. "
        "Once for each item, channel and mark",
        "sweep",
        (CHANNEL, LANE, Label("reached", REACHED)),
    ),
    (1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 7200, 14400, 43200, 86400),
)
LEDGER_WRITES = CounterMetric(
    Metric(
        "loa_ledger_writes_total",
        "counter",
        "Writes of batches to the ledger; `conflict`: another writer was faster",
        "dispatch, deliver-..., feedback",
        (Label("result", ["stored", "conflict", "no_reply"]),),
    ),
    [("stored",), ("conflict",), ("no_reply",)],
)
LEDGER_SECONDS = HistogramMetric(
    Metric(
        "loa_ledger_write_seconds",
        "histogram",
        "Time of one write of a batch to the ledger, with its fsync",
        "dispatch, deliver-..., feedback",
    ),
    (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5),
)
MAIL_REPORTS = CounterMetric(
    Metric(
        "loa_mail_reports_total",
        "counter",
        "What came back of mail, by the meaning of its status code; `refusal`: by our own relay",
        "feedback",
        (
            Label("kind", ["bounce", "delay", "complaint", "refusal"]),
            Label(
                "meaning",
                [
                    "gone",
                    "full",
                    "other",
                    "content",
                    "fault",
                    "policy",
                    "slower",
                    "grey",
                    "later",
                    "accepted",
                    "none",
                ],
            ),
        ),
    ),
    [(kind, "none") for kind in ("bounce", "delay", "complaint", "refusal")],
)
