"""Alarms and the board name metrics of the code; every alarm has its line of the runbook."""

import json
import re

import pytest
import yaml

from consumers.status.metrics import all_metrics
from tests.support.alarm_cases import begins_with_the_process
from tests.support.prometheus import BOARD, CONFIG, RULES, queries
from tests.support.repository import ROOT

PAGES = {"summary": "docs/operations.md", "summary_vi": "docs/operations.vi.md"}
METRICS = {metric.name: metric for metric in all_metrics()}
PARTS = {"histogram": ("_bucket", "_count", "_sum")}
FOREIGN = {"up": {"job", "instance"}, "ALERTS": {"alertname", "severity", "alertstate"}}
"""Metrics of Prometheus itself."""
OF_EVERY_TARGET = {"job", "instance", "le"}


def labels_of(name: str) -> set[str] | None:
    """The labels of a metric; None for one that is not in the code."""
    if name in FOREIGN:
        return FOREIGN[name]
    for metric in METRICS.values():
        if name in {metric.name + part for part in PARTS.get(metric.kind, ("",))}:
            return {*(label.name for label in metric.labels), *OF_EVERY_TARGET}
    return OF_EVERY_TARGET if name.startswith("process_") else None


def problems(expression: str) -> list[str]:
    """Metrics of *expression* that are not in the code, and labels and values that they lack."""
    found = []
    for name, chosen in re.findall(
        r"\b((?:loa|process)_\w+|up|ALERTS)\b(?:{([^}]*)})?", expression
    ):
        known = labels_of(name)
        if known is None:
            found.append(name)
            continue
        for label, values in re.findall(r'(\w+)[!=~]+"([^"]*)"', chosen):
            if label not in known or not set(values.split("|")) <= values_of(name, label, values):
                found.append(f"{name} {label}={values}")
    return found


def values_of(name: str, label: str, asked: str) -> set[str]:
    """The values of a label; where they differ between installations, those *asked* for."""
    parts = r"_(bucket|count|sum)$"
    metric = METRICS.get(name) or METRICS.get(re.sub(parts, "", name))
    for one in metric.labels if metric else ():
        if one.name == label and not one.described:
            return set(one.values)
    return set(asked.split("|"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_every_alarm_has_texts_and_its_line_of_the_runbook_in_both_languages(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert set(rule["annotations"]) == {*PAGES, "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert page == PAGES["summary"]
    rows = {name: alarm_rows((ROOT / page).read_text("utf-8")) for name, page in PAGES.items()}
    assert anchor in {
        anchor_of(title) for title, names in rows["summary"] if rule["alert"] in names
    }
    assert rule["alert"] in {name for _, names in rows["summary_vi"] for name in names}


def alarm_rows(page: str) -> list[tuple[str, list[str]]]:
    """The sections of alarms, each with the alarms of its table."""
    sections = re.findall(r"^### ([^\n]*)\n(.*?)(?=^##|\Z)", page, re.M | re.S)
    return [
        (title, re.findall(r"`(Loa\w+)`", " ".join(re.findall(r"^\| ([^|]*)", text, re.M))))
        for title, text in sections
    ]


def anchor_of(title: str) -> str:
    return re.sub(r"[^\w -]", "", title).lower().replace(" ", "-")


def test_the_pages_explain_no_alarm_that_there_is_not():
    alarms = {rule["alert"] for rule in RULES}
    for page in PAGES.values():
        told = alarm_rows((ROOT / page).read_text("utf-8"))
        assert {name for _, names in told for name in names} == alarms


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alarm_names_metrics_labels_and_values_of_the_code(rule):
    assert problems(rule["expr"]) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_what_an_alarm_counts_has_a_series_before_its_first_event(rule):
    """`rate` and `increase` do not see the first value of a series."""
    if rule["alert"] == "LoaUnitRefused":  # of more than 20; units differ between installations
        return
    counted = re.findall(r"(?:rate|increase)\((\w+(?:{[^}]*})?)", rule["expr"])
    assert [one for one in counted if not begins_with_the_process(one)] == []


def test_a_wrong_name_is_found():
    assert problems("max(loa_no_such) > 0") == ["loa_no_such"]
    wrong = 'loa_canary_state{state="tired"} + loa_canary_state{mood="late"}'
    assert problems(wrong) == ["loa_canary_state state=tired", "loa_canary_state mood=late"]


def test_codes_that_are_left_to_alarms_of_their_own_exist():
    [rule] = [rule for rule in RULES if rule["alert"] == "LoaNeedsPerson"]
    left_out = re.search(r'code!~"([^"]*)"', rule["expr"])[1].split("|")
    codes = {label.name: label.values for label in METRICS["loa_status_findings"].labels}["code"]
    assert set(left_out) <= set(codes)


def test_the_board_asks_metrics_of_the_code_and_its_panels_have_ids_of_their_own():
    board = json.loads(BOARD.read_text("utf-8"))
    panels = board["panels"]
    assert [panel["id"] for panel in panels] == [*range(1, len(panels) + 1)]
    asked = queries()
    assert len(asked) > len(panels) / 2
    assert [one for query in asked for one in problems(query.expression)] == []


def test_prometheus_asks_every_service_of_the_stack():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    [job] = yaml.safe_load(CONFIG.read_text())["scrape_configs"]
    [group] = job["static_configs"]
    always = {name: one for name, one in services.items() if "profiles" not in one}
    runs = {name for name, one in always.items() if one["command"][0] == "run"}
    hosts = dict(target.split(":") for target in group["targets"])
    assert set(hosts) == runs
    for name, port in hosts.items():
        environment = services[name]["environment"]
        assert environment["LOA_METRICS_HOST"] == "0.0.0.0"
        assert environment["LOA_METRICS_PORT"] == port
