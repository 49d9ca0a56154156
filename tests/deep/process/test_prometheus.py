"""A real Prometheus asks a real Loa: alarms of real faults, and every query of the board."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from itertools import count
from urllib.parse import urlsplit
from urllib.request import urlopen

from consumers.app.settings import RunningInstance
from tests.deep.process.test_relay_outage import comes_back
from tests.support import requirements
from tests.support.feed_site import NOW, Article, rss
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LOA, UNIT, LoaProcess, RelayProcess, wait_until
from tests.support.picture_server import serve_in_thread, serving
from tests.support.prometheus import Prometheus, promtool, queries

FAULTS = {"LoaBreakerOpen", "LoaDeadLetters", "LoaDeskDeadline"}
AGO = int((NOW - datetime.now(UTC)).total_seconds() // 60) + 60


class ImpatientLoa(LoaProcess):
    """See `tests.support.impatient_loa`; its commands are those of any Loa."""

    def start(self) -> RunningInstance:
        self.command = (sys.executable, "-m", "tests.support.impatient_loa")
        try:
            return super().start()
        finally:
            self.command = LOA


@contextmanager
def alertmanager() -> Iterator[tuple[str, dict[str, dict]]]:
    """A server in an Alertmanager's place: its address, and the last word on each alarm."""
    told: dict[str, dict] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            for alarm in json.loads(self.rfile.read(length)):
                told[alarm["labels"]["alertname"]] = alarm
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Write nothing to the terminal."""

    with serving(Handler) as address:
        yield address, told


def test_alarms_reach_a_person_and_end_and_the_whole_board_has_data(tmp_path):
    requirements.prometheus()
    feed = rss(Article(1, ago=AGO))
    with (
        RelayProcess(tmp_path) as relay,
        serve_in_thread(lambda _: feed, "application/rss+xml") as site,
        alertmanager() as (receiver, told),
        ImpatientLoa(tmp_path, IMPORT_ALLOW=site, **relay.settings) as loa,
        Prometheus(tmp_path / "prometheus", urlsplit(loa.ready().metrics).netloc, receiver) as seen,
    ):
        items = count()
        prepare(loa, site)
        show_all(seen, lambda: loa.publish(f"tin-{next(items)}"))
        assert set(seen.alarms()) <= {"LoaDiskLow", "LoaDiskFull"}, "what this machine has, too"
        with urlopen(f"{loa.ready().metrics}/metrics", timeout=20) as answer:
            promtool("check", "metrics", stdin=answer.read().decode())
        break_down(loa, relay)
        wait_until(lambda: set(seen.alarms()) >= FAULTS, "the alarms")
        show_all(seen, ill=True)
        wait_until(lambda: set(told) >= FAULTS, "the receiver of alarms")
        assert told["LoaBreakerOpen"]["annotations"] == {
            "runbook": "docs/operations.md#alarms-channels",
            "summary": "email can't work: its rows wait and lose nothing",
            "summary_vi": "kênh email không hoạt động: phần đang chờ không mất gì",
        }
        mend(loa, relay)
        wait_until(lambda: not FAULTS & set(seen.alarms()), "the end of the alarms")
        wait_until(lambda: target(seen) == ("up", ""), "the last scrape")
        assert seen.numbers("sum_over_time(up[10m]) > 1")


def target(prometheus: Prometheus) -> tuple[str, str]:
    """The health of Loa's page, and what was wrong with it."""
    [found] = prometheus.ask("targets")["activeTargets"]
    return found["health"], found["lastError"]


def show_all(
    prometheus: Prometheus, work: Callable[[], object] = lambda: None, ill: bool = False
) -> None:
    """Go on with *work* until the whole board has data."""
    try:
        wait_until(lambda: (work(), not lacking(prometheus, ill))[1], "the board", 120, 0.5)
    finally:
        assert lacking(prometheus, ill) == []


def lacking(prometheus: Prometheus, ill: bool = False) -> list[str]:
    """The panels with a query that has no number now, of those that have one even when well."""
    asked = [query for query in queries() if ill or not query.empty_when_well]
    return [one.panel for one in asked if not prometheus.numbers(one.expression)]


def prepare(loa: LoaProcess, site: str) -> None:
    """A unit with readers and a feed, and an event that is refused."""
    loa.add_unit()
    loa.readers(3)
    added = loa.cli("import", "add", UNIT, f"http://{site}/rss", "--topic", "chuyen-doi-so")
    assert added.exit_code == 0, added.err
    assert loa.cli("import", "now", UNIT).exit_code == 0
    assert loa.post({"specversion": "1.0"}).status == 422


def break_down(loa: LoaProcess, relay: RelayProcess) -> None:
    """A dead relay, a used-up quota, a correction of nothing, a draft that is almost due."""
    relay.process.kill()
    relay.process.wait()
    loa.publish("khong-gui-duoc", "email")
    loa.sandbox("rules", {"article_quota": 0})
    loa.publish("het-luot", "zalo")
    wrong = sample_event("corrected", id="sai", content_id="khong-co")
    assert loa.post(wrong).status == 202
    assert loa.cli("units", "set", UNIT, "--release", "desk").exit_code == 0
    soon = datetime.now(UTC) + timedelta(minutes=30)
    loa.publish("cho-duyet", "portal", expires_at=soon.isoformat())


def mend(loa: LoaProcess, relay: RelayProcess) -> None:
    """The relay comes back, and a person decides on the rest."""
    comes_back(relay)
    for letter in loa.dead_letters():
        done = loa.cli("dead", "discard", letter["id"], "--reason", "Nhầm", "--by", "An")
        assert done.exit_code == 0, done.err
    waiting = {one["content_id"]: one["hash"] for one in loa.cli("desk", "list", "--json").json}
    words = ("--hash", waiting["cho-duyet"], "--code", "trung-lap", "--by", "An")
    done = loa.cli("desk", "reject", "cho-duyet", *words)
    assert done.exit_code == 0, done.err
