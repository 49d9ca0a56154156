"""`loa subscribers list`, `count`, `export --all`: opaque ids, rights, files that come back."""

import csv
import os
import stat
from datetime import UTC, datetime, timedelta

import pytest

from consumers.audit.log import AuditLog, parse_record
from consumers.key_file import register_key
from consumers.reporting.reader_list import Reader, ReaderFilter, ReaderLister
from consumers.subscribers.csv_import import import_csv
from consumers.subscribers.store import SubscriberStore
from consumers.zalo.followers import FollowerStore
from contracts.base.times import utc_now
from contracts.subscriptions.subscriber import Consent, Subscriber
from contracts.vocabulary import DEFAULT
from tests.support.cli import json_output
from tests.support.clock import FakeClock
from tests.support.signup_app import KEYS
from tests.support.staff import StaffHarness

HEADER = "email,name,topics,audiences,units,frequency\n"
ROWS = [
    "a@example.vn,,viec-lam;chuyen-doi-so,cong-chuc,,daily",
    "b@example.vn,Trần Thị B,,,trung-tam-cong-nghe-thong-tin,immediate",
    "=c@example.vn,'=HYPERLINK(1),viec-lam,,,weekly",
    "d@example.vn,''đậm,,,,immediate",
]


@pytest.fixture
async def readers(bus, tmp_path):
    await register_key(bus, KEYS)
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    store = SubscriberStore.from_key_file(bus, KEYS)
    file = tmp_path / "in.csv"
    file.write_text(HEADER + "\n".join(ROWS))
    report = await import_csv(bus, file, DEFAULT, KEYS.derive("addresses"))
    assert (report.added, report.rejected) == (4, [])
    gone = await store.find_by_address("d@example.vn")
    await store.deactivate(gone.id, utc_now(FakeClock()), "operator")
    followers = FollowerStore.from_key_file(bus, KEYS)
    await followers.record_listing(["111", "222"], True, utc_now(FakeClock()))
    return store


@pytest.fixture
def loa(loa):
    return loa.extended("subscribers")


async def test_readers_are_listed_by_opaque_ids_and_counted(readers, loa):
    answer = json_output(await loa("list", "--json"))["readers"]
    text = (await loa("list")).stdout
    assert [one["channel"] for one in answer] == ["email"] * 4 + ["zalo"] * 2
    assert answer[0]["state"] == "left", "the last changed first"
    assert "example.vn" not in text + str(answer)
    jobs = json_output(await loa("list", "--topic", "viec-lam", "--channel", "email", "--json"))
    known = [await readers.find_by_id(one["id"]) for one in jobs["readers"]]
    assert {one.email or one.id for one in known} >= {"a@example.vn", "b@example.vn"}
    assert len(json_output(await loa("list", "--state", "left", "--json"))["readers"]) == 1
    assert json_output(await loa("list", "--limit", "2", "--json"))["more"] is True
    assert json_output(await loa("list", "--since", "2199-01-01", "--json"))["readers"] == []
    counts = json_output(await loa("count", "--json"))
    assert counts == {
        "total": 6,
        "channels": {"email": {"active": 3, "left": 1}, "zalo": {"active": 2}},
        "topics": {"*": 1, "chuyen-doi-so": 1, "viec-lam": 2},
        "frequencies": {"daily": 1, "immediate": 1, "weekly": 1},
    }
    said = [line.split() for line in (await loa("count")).stdout.splitlines()]
    assert ["topic", "all", "of", "them", "1"] in said, "people are told no sign"
    for words in (("--topic", "viec-lm"), ("--channel", "fax"), ("--state", "gone")):
        assert (await loa("count", *words)).exit_code == 2


async def test_a_list_since_a_time_stops_at_the_first_older_record(bus, readers):
    future = datetime(2199, 1, 1, tzinfo=UTC)
    followers = FollowerStore.from_key_file(bus, KEYS)
    lister = ReaderLister(readers, followers, ReaderFilter(since=future), utc_now(FakeClock()))
    assert [reader async for reader in lister.newest()] == []
    assert lister.read == 0


def test_who_has_left_is_listed_by_when_that_was():
    began, left = datetime(2020, 1, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    consent = Consent(version="1", at=began)
    reader = Subscriber(id="r" * 16, email="a@example.vn", consent=consent)
    gone = Reader.of_subscriber(reader.after_leaving(left, "page"), left)
    assert ReaderFilter(state="left", since=left).accepts(gone)
    assert not ReaderFilter(state="left", since=left + timedelta(days=1)).accepts(gone)


async def test_an_export_comes_back_by_import_and_no_cell_is_a_formula(bus, readers, loa, tmp_path):
    out = tmp_path / "all.csv"
    done = json_output(await loa("export", "--all", "--out", out, "--bom", "--json"))
    assert (done["readers"], done["unreadable"]) == (3, 0)
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_bytes().startswith(b"\xef\xbb\xbfemail,")
    lines = out.read_text(encoding="utf-8-sig").splitlines()
    cells = [cell for row in csv.reader(lines) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t"))]
    before = {one: await readers.find_by_address(one) for one in ("a@example.vn", "=c@example.vn")}
    assert before["=c@example.vn"].name == "=HYPERLINK(1)"
    report = await import_csv(bus, out, DEFAULT, KEYS.derive("addresses"))
    assert (report.unchanged, report.updated, report.added, report.rejected) == (3, 0, 0, [])
    again = await loa("export", "--all", "--out", out)
    assert (again.exit_code, "out: " in again.stderr) == (2, True), "no file is overwritten"
    for words in ((), ("--all",), ("a@example.vn", "--all", "--out", tmp_path / "x")):
        assert (await loa("export", *words)).exit_code == 2
    assert sorted(path.name for path in tmp_path.glob("*.csv*")) == ["all.csv", "in.csv"]


async def test_contacts_take_a_role_and_leave_a_record(bus, readers, loa, tmp_path):
    await StaffHarness(bus, FakeClock()).active("an", "quan-tri-kenh")
    for words in (("list",), ("count",), ("list", "--contacts"), ("export", "--all", "--out", "x")):
        refused = await loa(*words, XDG_STATE_HOME=str(tmp_path))
        assert (refused.exit_code, refused.stdout.count("example.vn")) == (2, 0)
    shown = await loa("list", "--contacts", "--topic", "viec-lam", "--by", "Trực ca")
    assert "a@example.vn" in shown.stdout
    await loa("export", "--all", "--out", tmp_path / "all.csv", "--by", "Trực ca")
    log = AuditLog(bus, FakeClock())
    acts = [one for m in [m async for m in log.messages()] if (one := parse_record(m))]
    named = [(one.action, one.after) for one in acts if one.object == "*"]
    assert named[0] == ("subscribers.find", "topic=viec-lam")
    assert [action for action, _ in named[1:]] == ["subscribers.export"] * 2, "intent and outcome"


async def test_a_killed_export_leaves_no_file_that_looks_whole(readers, loa, tmp_path, monkeypatch):
    out = tmp_path / "all.csv"
    (tmp_path / ".all.csv.part").write_text("left by a kill")
    monkeypatch.setattr(os, "link", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "full")))
    failed = await loa("export", "--all", "--out", out)
    assert failed.exit_code == 2
    assert list(tmp_path.glob("*all.csv*")) == []
    monkeypatch.undo()
    assert (await loa("export", "--all", "--out", out)).exit_code == 0
    assert [path.name for path in tmp_path.glob("*all.csv*")] == ["all.csv"]
