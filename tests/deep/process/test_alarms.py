"""Every alarm fires and clears again, by Prometheus's own tool."""

import re
from pathlib import Path

import pytest
import yaml

from tests.support import requirements
from tests.support.alarm_cases import CASES, LEAD, QUIET, Case, Quiet
from tests.support.prometheus import ALERTS, CONFIG, RULES, promtool

BY_NAME = {rule["alert"]: rule for rule in RULES}
MINUTES = {"s": 1 / 60, "m": 1, "h": 60}


@pytest.fixture(autouse=True)
def tools():
    requirements.prometheus()


def test_prometheus_itself_accepts_configuration_and_alarms():
    promtool("check", "config", CONFIG)
    promtool("check", "rules", "--lint=all", "--lint-fatal", ALERTS)


def test_every_alarm_fires_with_its_texts_and_clears_again(tmp_path):
    assert {case.alarm for case in CASES} == set(BY_NAME)
    stories = [(case.alarm, story(case)) for case in CASES]
    stories += [(quiet.alarm, quiet_story(quiet)) for quiet in QUIET]
    files = [write_story(tmp_path / str(n), *told) for n, told in enumerate(stories)]
    promtool("test", "rules", *files)


def write_story(folder: Path, name: str, told: dict) -> Path:
    """Its test, and the rule alone: each would have to judge every minute of all stories."""
    folder.mkdir()
    group = {"name": "one", "rules": [BY_NAME[name]]}
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [group]}))
    every = {"evaluation_interval": told["interval"]}
    test = {"rule_files": ["rules.yml"], "tests": [told]} | every
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump(test))
    return file


def quiet_story(quiet: Quiet) -> dict:
    series = [{"series": name, "values": values} for name, values in quiet.series.items()]
    checks = [expected(quiet, quiet.minute, [])]
    return {"interval": "5m", "input_series": series, "alert_rule_test": checks}


def story(case: Case) -> dict:
    """Well for `LEAD` minutes, ill for as long as the alarm needs, then well again."""
    step = case.step
    waits = round(minutes(BY_NAME[case.alarm].get("for", "0m")))
    begin, end = LEAD, LEAD + waits + case.minutes
    last = end + case.minutes + 5 * step
    series = [
        {
            "series": name,
            "values": " ".join(str(value(t, begin <= t < end)) for t in range(0, last, step)),
        }
        for name, value in case.series
    ]
    silent = [begin - step, last - step, *([begin + waits - step] if waits else [])]
    checks = [expected(case, minute, []) for minute in silent]
    checks.append(expected(case, end - step, [alarm(case)]))
    return {"interval": f"{step}m", "input_series": series, "alert_rule_test": checks}


def expected(case: Case | Quiet, minute: int, alarms: list[dict]) -> dict:
    return {"alertname": case.alarm, "eval_time": f"{minute}m", "exp_alerts": alarms}


def alarm(case: Case) -> dict:
    """The alarm with its labels and its texts."""
    rule = BY_NAME[case.alarm]
    labels = dict(re.findall(r'(\w+)="([^"]*)"', case.labels))
    texts = {name: written(text, labels, case.value) for name, text in rule["annotations"].items()}
    return {"exp_labels": labels | rule["labels"], "exp_annotations": texts}


def written(text: str, labels: dict[str, str], value: str) -> str:
    text = re.sub(r"{{ \$labels\.(\w+) }}", lambda found: labels[found[1]], text)
    return re.sub(r"{{ \$value( \| \w+)? }}", value, text)


def minutes(duration: str) -> float:
    return int(duration[:-1]) * MINUTES[duration[-1]]
