"""Answers of `loa check`: scripts get every violation, people its meaning and the next step."""

import json
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from consumers.app.settings import RunningInstance
from consumers.check.findings import Findings, Skipped, Violation, load_rules
from consumers.cli.check import print_findings
from consumers.desk.index.rebuild import rebuild_index
from consumers.desk.reports.follow import RowsFollower
from consumers.desk.reports.rows_file import ROWS_FILE, RowsFile, Rules
from consumers.directory.store import DirectoryStore
from consumers.editorial.log import EditorialLog
from consumers.facts.store import FactStore
from consumers.ledger import codec
from consumers.ledger.entry import LedgerEntry
from consumers.ledger.store import Ledger
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.desk.deadlines import default_deadlines
from contracts.editorial import ActionKind
from contracts.vocabulary import DEFAULT
from producers.output import reads_vietnamese
from tests.consumers.periodic_reports.test_from_facts import RELEASE
from tests.support.cli import json_output
from tests.support.ledger_plan import store_plan
from tests.support.listed_items import save, step

NOWHERE = "nats://127.0.0.1:1"
LEDGER = Path(__file__).parents[3] / "docs" / "ledger.md"


def some(rule: str, count: int) -> list[Violation]:
    return [Violation(rule=rule, key=f"state.x.{n}", detail="so") for n in range(count)]


def test_people_are_told_per_rule_how_often_what_it_means_where_and_what_to_do(capsys):
    found = [*some("stuck", 7), *some("event-lost", 1)]
    skipped = [Skipped(what="portal", why="there is no portal folder on this machine")]
    checked = {"batches": 12}
    print_findings(Findings(ok=False, violations=found, checked=checked, skipped=skipped))
    said = capsys.readouterr().out
    assert f"stuck (7): {load_rules()['stuck'].means}" in said
    assert f"stuck (7): {load_rules()['stuck'].means_vi}" in said
    assert f"now: {load_rules()['event-lost'].do}" in said
    assert f"việc cần làm: {load_rules()['event-lost'].do_vi}" in said
    assert said.count("state.x.") == 6
    assert "… and 2 more" in said
    assert "looked at: 12 batches" in said and "đã kiểm tra: 12 lô" in said
    assert "not looked at: portal: there is no portal folder" in said
    assert "ok" not in said.split()


def test_a_vietnamese_reader_has_each_verdict_in_vietnamese_first(capsys):
    token = reads_vietnamese.set(lambda: True)
    print_findings(Findings(ok=False, violations=some("stuck", 1), checked={"batches": 12}))
    reads_vietnamese.reset(token)
    rule, said = load_rules()["stuck"], capsys.readouterr().out
    assert said.index(rule.means_vi) < said.index(rule.means)
    assert said.index(rule.do_vi) < said.index(rule.do)
    assert said.index("đã kiểm tra") < said.index("looked at")


def test_a_clean_house_is_said_to_be_clean(capsys):
    print_findings(Findings(ok=True, violations=[], checked={"batches": 1}))
    assert capsys.readouterr().out.startswith("ok: every promise is kept\n")


def test_what_was_not_looked_at_is_not_called_kept(capsys):
    skipped = [Skipped(what="portal", why="there is no portal in this machine's folder")]
    print_findings(Findings(ok=True, violations=[], checked={}, skipped=skipped))
    said = capsys.readouterr().out
    assert "every promise is kept" not in said
    assert "looked at: nothing" in said


async def test_a_damaged_copy_of_the_readers_is_named(bus, loa):
    path = Path(loa.environ["LOA_DATA_DIR"]) / "directory.sqlite"
    path.write_bytes(bytes(range(256)) * 64)
    before = path.stat()
    checked = json_output(await loa("check", "--deep", "--json"))
    assert [(one["rule"], one["key"]) for one in checked["violations"]] == [
        ("directory-damaged", str(path))
    ]
    after = path.stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns), "it changed"
    path.unlink()
    DirectoryStore(path).close()
    assert json_output(await loa("check", "--deep", "--json"))["violations"] == []


async def test_an_index_of_the_desk_that_says_something_else_than_the_log_is_named(bus, loa):
    log, path = EditorialLog(bus), Path(loa.environ["LOA_DATA_DIR"]) / "desk" / "index.sqlite"
    for item in ("tin-1", "tin-2", "tin-3"):
        await log.act(item, save("nv-an"))
    await bus.publish(subjects.editorial("tin-3"), b"no act")
    await rebuild_index(bus, path, default_deadlines())
    await log.act("tin-2", step(ActionKind.SUBMIT, "nv-an"))  # later than the index
    assert await wrong_rows(loa) == []
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE item SET status = 'published' WHERE content_id = 'tin-1'")
    assert await wrong_rows(loa) == ["editorial.tin-1"]
    path.write_bytes(b"no database" * 1000)
    assert await wrong_rows(loa) == [str(path)]


async def wrong_rows(loa, rule="desk-index-wrong") -> list[str]:
    checked = json_output(await loa("check", "--deep", "--json"))
    return [one["key"] for one in checked["violations"] if one["rule"] == rule]


async def test_a_copy_of_the_facts_that_says_something_else_than_they_do_is_named(bus, loa):
    store, path = FactStore(bus), Path(loa.environ["LOA_DATA_DIR"]) / "desk" / ROWS_FILE
    assert await store.add(RELEASE, 0)
    rules = Rules(DEFAULT.bulletins, default_deadlines())
    with closing(RowsFile(path, rules)) as file, ThreadPoolExecutor(1) as writer:
        await RowsFollower(store, file, writer).advance()
    assert await wrong_rows(loa, "report-rows-wrong") == []
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE row SET times = 2")
    assert await wrong_rows(loa, "report-rows-wrong") == [subjects.fact(RELEASE.key)]


@pytest.mark.usefixtures("no_bus_soon")
async def test_a_batch_is_stuck_by_the_start_of_loa_not_by_its_last_sign_of_life(bus, loa):
    """The ready file is touched every few seconds."""
    batch = BatchKey(ChannelName.EMAIL, "tin", 1, 0)
    now = time.time()
    await store_plan(Ledger(bus), batch.plan, ["a"], at=now - 3600)
    entry = LedgerEntry(b"s", created=now - 3600, owner="w#1#1", lease_until=now - 3500)
    await Ledger(bus).bucket.put(f"state.{batch}", codec.encode_state(entry))
    run = Path(loa.environ["LOA_DATA_DIR"]) / "run"
    run.mkdir(exist_ok=True)
    for started, stuck in ((now - 30, False), (now - 3000, True)):
        ready = RunningInstance(url="x", nats_url=NOWHERE, pid=1, started=started)
        (run / "ready.json").write_text(json.dumps(ready.model_dump()))
        checked = json_output(await loa("check", "--json"))
        assert ("sending-stuck" in {one["rule"] for one in checked["violations"]}) == stuck


def test_the_documented_rules_are_those_of_the_catalogue():
    table = LEDGER.read_text().partition("| rule | what is wrong |")[2].partition("\n\n")[0]
    named = re.findall(r"^\| (`[^|]*`) \|", table, re.MULTILINE)
    documented = [name for cell in named for name in re.findall(r"`([^`]+)`", cell)]
    assert sorted(documented) == sorted(load_rules())
    assert all(all(dict(rule).values()) for rule in load_rules().values())
