"""docs/metrics.md is what the code says, and the names follow Prometheus' rules."""

import re

import pytest

from consumers.status.metrics import CODE, all_metrics
from tests.lint import metrics_page
from tests.lint.sources import ROOT

METRICS = {metric.name: metric for metric in all_metrics()}
BASE_UNITS = ("seconds", "bytes", "ratio")
NOT_BASE = r"_(ms|milliseconds|minutes|hours|days|kilobytes|megabytes|percent)(_|$)"
FINDING_CODES = re.findall(
    r"^\| `(\w+)` \|",
    (ROOT / "docs/operations.md").read_text("utf-8")
    .partition("## What `loa status` says")[2]
    .partition("\n## ")[0],
    re.M,
)  # fmt: skip


def test_the_page_is_up_to_date():
    assert metrics_page.PAGE.read_text("utf-8") == metrics_page.page()


@pytest.mark.parametrize("name", METRICS)
def test_a_metric_is_named_as_prometheus_asks(name):
    metric = METRICS[name]
    assert re.fullmatch(r"loa(_[a-z]+)+", name)
    assert name.endswith("_total") == (metric.kind == "counter")
    assert not re.search(NOT_BASE, name) and not re.search(r"_(count|sum|bucket|info_info)$", name)
    assert metric.kind != "histogram" or name.endswith("_seconds")
    unit = name.removesuffix("_total").rpartition("_")[2]
    assert unit in BASE_UNITS or not any(f"_{one}_" in name for one in BASE_UNITS), (
        "units come last"
    )
    assert metric.help and metric.help[-1] != "." and metric.source
    labels = [label.name for label in metric.labels]
    assert len(set(labels)) == len(labels)
    assert all(
        re.fullmatch("[a-z_]+", label) and label not in ("le", "job", "instance")
        for label in labels
    )


@pytest.mark.parametrize("name", METRICS)
def test_words_of_a_label_value_are_joined(name):
    values = [value for label in METRICS[name].labels for value in label.values]
    assert [value for value in values if not re.fullmatch(r"[\w-]+", value)] == []


def test_no_two_metrics_have_one_name():
    assert len(all_metrics()) == len(METRICS)


def test_every_finding_of_status_has_its_code_as_a_label_value():
    assert FINDING_CODES and {CODE.bound(code) for code in FINDING_CODES} == set(FINDING_CODES)
