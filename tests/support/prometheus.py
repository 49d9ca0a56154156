"""A Prometheus of the test's own, with the configuration and the alarms that Loa ships."""

import json
import math
import re
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tests.support.loa_process import wait_until

DEPLOY = Path(__file__).parents[2] / "deploy"
CONFIG = DEPLOY / "prometheus" / "prometheus.yml"
ALERTS = DEPLOY / "prometheus" / "alerts.yml"
BOARD = DEPLOY / "grafana" / "loa.json"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]
]
"""Every alarm."""
EMPTY_WHEN_WELL = "Empty when well."


class Query(NamedTuple):
    """A query of the board."""

    panel: str
    expression: str
    empty_when_well: bool


def queries() -> list[Query]:
    """Every query of the board, its variables replaced."""
    return [
        Query(
            panel["title"],
            target["expr"].replace("$__rate_interval", "5m"),
            panel.get("description", "").startswith(EMPTY_WHEN_WELL),
        )
        for panel in json.loads(BOARD.read_text("utf-8"))["panels"]
        for target in panel.get("targets", ())
    ]


def promtool(*words: object, stdin: str = "") -> None:
    """Fail when promtool says no."""
    command = ["promtool", *map(str, words)]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


class Prometheus:
    """A process that asks *target* every four seconds and waits for no alarm.

    It tells them to *alertmanager*. Its port is the system's; ended by its own id.
    """

    def __init__(self, folder: Path, target: str, alertmanager: str) -> None:
        self.folder, self.log = folder, folder / "prometheus.log"
        folder.mkdir()
        (folder / "prometheus.yml").write_text(yaml.safe_dump(_config(folder, target)))
        (folder / "alerts.yml").write_text(yaml.safe_dump(_impatient_alarms()))
        named = [{"targets": [alertmanager]}]
        (folder / "alertmanagers.json").write_text(json.dumps(named))

    def __enter__(self) -> "Prometheus":
        options = {
            "config.file": self.folder / "prometheus.yml",
            "storage.tsdb.path": self.folder / "data",
            "web.listen-address": "127.0.0.1:0",
        }
        command = ["prometheus", *(f"--{name}={value}" for name, value in options.items())]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.url = f"http://{wait_until(self._address, 'Prometheus')}"
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(60)

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer of its HTTP interface."""
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}", timeout=60) as answer:
            return json.load(answer)["data"]

    def numbers(self, expression: str) -> list[float]:
        """Present values of an expression; a series without a number is none."""
        series = self.ask("query", query=expression)["result"]
        return [number for one in series if math.isfinite(number := float(one["value"][1]))]

    def alarms(self) -> dict[str, dict[str, Any]]:
        """The alarms that fire, by name."""
        told = self.ask("alerts")["alerts"]
        return {one["labels"]["alertname"]: one for one in told if one["state"] == "firing"}

    def _address(self) -> str | None:
        text = self.log.read_text()
        assert self.process.poll() is None, text
        found = re.search(r'msg="Listening on" address=(\S+)', text)
        return found and found[1]


def _config(folder: Path, target: str) -> dict[str, Any]:
    """The shipped configuration, in a hurry, with another target, and with files of *folder*."""
    config = yaml.safe_load(CONFIG.read_text().replace("/prometheus/", f"{folder}/"))
    config["global"] |= {"scrape_interval": "4s", "scrape_timeout": "4s"}
    config["global"] |= {"evaluation_interval": "1s"}
    [job] = config["scrape_configs"]
    job["static_configs"] = [{"targets": [target]}]
    return config


def _impatient_alarms() -> dict[str, Any]:
    """The shipped alarms, each as soon as its condition holds."""
    alarms = yaml.safe_load(ALERTS.read_text())
    for group in alarms["groups"]:
        for rule in group["rules"]:
            rule.pop("for", None)
            rule.pop("keep_firing_for", None)
    return alarms
