"""The page of all metrics: `python -m tests.lint.metrics_page` writes it from the code."""

from consumers.status.metrics import FACT_METRICS, PROCESS_METRICS
from producers.metrics import METRICS, Label, Metric
from tests.support.repository import ROOT

PAGE = ROOT / "docs" / "metrics.md"
UNITS = {"_seconds": "s", "_bytes": "bytes", "_ratio": "0 to 1"}
HEAD = """\
# Metrics

Made from the code by `python -m tests.lint.metrics_page`; `make lint` fails when this page is out of date. Names and labels are a contract: they may grow.

## Where

Each process (`loa up`, or each `loa run`) serves `/metrics` on the operator's port, beside `/readyz` and `/livez`: `LOA_METRICS_HOST` (127.0.0.1) and `LOA_METRICS_PORT` (`LOA_HTTP_PORT` plus 30, so 8110). The ports of the public
faces and of the desk do not have it, so no mistake in a proxy can publish it. Who reaches the port may read it, without a password, as with `/readyz`; it names units and feeds, and never a person, an address or a text.
In the container stack it is port 8110 of each service, published nowhere. It listens on every network of its container: on `bus`, and where a service has one, on `outside`, so other containers there and the machine itself reach it, too.

## Adding up

Counters and histograms: each process counts its own work; `sum` over the instances. They begin at 0 when a process starts, as `rate` and `increase` expect.
**Facts** come from what lies on the bus, are read by the processes that run `sweep` (`loa up` does), and are the same that `loa status` and `/readyz` tell. Where two processes run it both say the same: take `max`, never `sum`, and for `loa_item_delivery_seconds` one instance.
Scrapes within five seconds share one reading, and a reading that takes long counts as new for ten times as long, so scraping cannot load the bus. Without an answer of the bus the last facts stay: `loa_status_read_timestamp_seconds` says from when they are.
What a process tells of itself is asked at each scrape.

A share of items, urgent ones within a minute at 95 % of their readers, say:
`sum(rate(loa_item_delivery_seconds_bucket{lane="urgent",reached="95",le="60"}[1d])) / sum(rate(loa_item_delivery_seconds_count{lane="urgent",reached="95"}[1d]))`.
A mark counts when it is reached, so `last` of an item whose slowest mailbox answers after two days counts two days later. Items that were withdrawn or replaced on the way count no further mark. The bar of 50 and 95 % are those who can still be reached: who has left or has no
mailbox is not waited for. Personal mails and digests count from the moment they are planned. What is reached while no process runs `sweep` is not counted. In an item of several batches (of 500) a time may be late by what one batch takes, never early.

Labels are closed lists: what is on none of them counts as `other`, so no sender can make series. A series that a gauge's text does not promise is missing until there is something to tell; in an alert, `or vector(0)`.

"""  # noqa: E501 -- paragraphs of a page
TABLE = (
    "| metric | type | unit | labels | meaning | from |\n| --- | --- | --- | --- | --- | --- |\n"
)


def page() -> str:
    """The whole page."""
    parts = {
        "Counted where the work is done": METRICS,
        "Facts": [metric for metric, _ in FACT_METRICS],
        "Each process of itself": [metric for metric, _ in PROCESS_METRICS],
    }
    tables = [
        f"## {title}\n\n{TABLE}{''.join(map(row, metrics))}\n" for title, metrics in parts.items()
    ]
    tail = "`process_...`: processor time, memory and open files, as every client of Prometheus has them.\n"  # noqa: E501
    return HEAD + "".join(tables) + tail


def row(metric: Metric) -> str:
    labels = "<br>".join(map(shown_label, metric.labels)) or "–"
    cells = (f"`{metric.name}`", metric.kind, unit(metric), labels, metric.help, metric.source)
    return f"| {' | '.join(cells)} |\n"


def unit(metric: Metric) -> str:
    if metric.name.endswith("_timestamp_seconds"):
        return "s since 1970"
    return next((unit for end, unit in UNITS.items() if metric.name.endswith(end)), "number")


def shown_label(label: Label) -> str:
    values = label.described or ", ".join(f"`{value}`" for value in label.values)
    return f"`{label.name}`: {values}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
