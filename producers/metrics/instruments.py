"""Counters, histograms and tables of gauges with closed lists of label values."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family

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

    def begin(self, places: Iterable[tuple[str, ...]]) -> None:
        """Show the series of *places* from now on, at 0."""
        for values in places:
            self._histogram.labels(*values)

    def observe(self, seconds: float, *values: str) -> None:
        bound = self.metric.bound(values)
        (self._histogram.labels(*bound) if values else self._histogram).observe(max(seconds, 0.0))


class GaugeTable:
    """Gauges that are replaced as a whole: what is gone has no series any more.

    Of more than 500 rows, the rest is one row, `other`, with the *worst* of their values.
    """

    def __init__(self, metric: Metric, worst: Callable[[Iterable[float]], float]) -> None:
        METRICS.append(metric)
        self.metric, self.worst = metric, worst
        self.rows: Mapping[tuple[str, ...], float] = {}
        REGISTRY.register(self)

    def replace(self, rows: Mapping[tuple[str, ...], float]) -> None:
        """Replace all rows by *rows*."""
        ordered = sorted(rows.items())
        kept, rest = dict(ordered[:_MAX_TABLE_ROWS]), ordered[_MAX_TABLE_ROWS:]
        if rest:
            kept[(OTHER,) * len(self.metric.labels)] = self.worst(value for _, value in rest)
        self.rows = kept

    def collect(self) -> Iterator[Family]:
        yield self.metric.family(self.rows)
