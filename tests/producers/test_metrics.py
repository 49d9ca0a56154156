"""Metrics of a process: labels are bounded, and Prometheus reads the page."""

import random
import string

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from producers import metrics

pytestmark = pytest.mark.unit


def series() -> dict[str, set[tuple]]:
    """The series of each metric on the page, by its sample's name."""
    page = generate_latest(metrics.REGISTRY).decode()
    found: dict[str, set[tuple]] = {}
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(tuple(sorted(sample.labels.items())))
    return found


def noise() -> str:
    return "".join(random.choices(string.printable, k=12))


def test_a_flood_of_unknown_words_makes_one_series():
    words = [noise() for _ in range(1000)]
    metrics.EVENTS.add(metrics.OTHER, metrics.OTHER, "error", "http")
    before = series()
    for word in words:
        metrics.EVENTS.add(word, metrics.event_kind(word), "error", "http")
        metrics.ATTEMPTS.add("email", "failed", word)
        metrics.MAIL_REPORTS.add("bounce", word)
        metrics.LEDGER_WRITES.add(word)
    after = series()
    assert after["loa_events_total"] == before["loa_events_total"]
    assert sum(map(len, after.values())) <= sum(map(len, before.values())) + 3
    assert not any(word in str(after) for word in words)


def test_a_table_of_gauges_has_500_rows_at_most_and_forgets_what_is_gone():
    rows = {(f"don-vi-{number:04}", "tin"): float(number) for number in range(3000)}
    metrics.FEED_READ.replace(rows)
    shown = {sample.labels["unit"]: sample.value for sample in metrics.FEED_READ.metric.family(
        metrics.FEED_READ.rows
    ).samples}  # fmt: skip
    assert len(shown) == 501 and shown["other"] == 500.0, "the oldest of the rest"
    metrics.FEED_FAILURES.replace({name: float(name[0][-4:] == "2999") for name in rows})
    assert metrics.FEED_FAILURES.rows[metrics.OTHER, metrics.OTHER] == 1.0, "one fails"
    metrics.FEED_FAILURES.replace({})
    metrics.FEED_READ.replace({})
    assert "loa_feed_read_timestamp_seconds" not in series()


def test_units_of_the_installation_have_series_of_their_own():
    metrics.UNIT.allow(["so-noi-vu-moi"])
    metrics.EVENTS.add("so-noi-vu-moi", "submitted", "accepted", "http")
    shown = ("answer", "accepted"), ("door", "http"), ("kind", "submitted")
    assert (*shown, ("unit", "so-noi-vu-moi")) in series()["loa_events_total"]


def test_histograms_are_complete_from_their_first_observation():
    metrics.ITEM_SECONDS.observe(-1.0, "email", "urgent", "95")
    shown = series()
    named = ("channel", "email"), ("lane", "urgent"), ("reached", "95")
    assert named in shown["loa_item_delivery_seconds_count"]
    assert not any(name.endswith("_created") for name in shown)
