"""`loa status`: the lines above its table, where a channel's output goes among them."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from channels.email.settings import EmailSettings
from channels.portal.index.index import PortalIndex
from channels.zalo.settings import ZaloSettings
from consumers.app.channel_registry import CHANNELS
from consumers.app.settings import LoaSettings
from consumers.channel_health import destinations
from consumers.channel_health.canary.status import CanaryStatus
from consumers.channel_health.destinations import Destination
from consumers.cli.status import (
    StatusLoader,
    canary_line,
    destination_lines,
    print_report,
    replica_status,
    spooled_events,
)
from consumers.doctor.services import judge_replica
from consumers.portal_replica.status import ReplicaRecord, write_replica
from consumers.status.facts import FactsReader
from consumers.status.reader import StatusReader
from consumers.status.report import (
    ChannelStatus,
    LaneStatus,
    ReplicaStatus,
    StatusFinding,
    StatusReport,
)
from contracts import publication, subjects
from contracts.delivery import ChannelName, Lane
from contracts.errors import FieldError
from tests.support.publications import a_publication

EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL


@pytest.fixture
def status(bus, clock):
    return StatusReader(bus, clock)


@pytest.mark.parametrize(
    ("state", "age_s", "line"),
    [
        ("ok", 200, "canary ok 3 min ago"),
        ("ok", 59, "canary ok just now"),
        ("ok", -5, "canary ok just now"),
        ("late", 1500, "canary late, none back since 2027-01-15 14:35:00+07: nobody took it"),
        ("waiting", 10, "canary on its way, none back yet"),
        ("paused", 10, "canary paused"),
        ("off", 0, "canary off"),
    ],
)
def test_every_channel_has_one_short_line_about_its_canary(state, age_s, line):
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    why = "nobody took it" if state == "late" else ""
    since = now - timedelta(seconds=age_s)
    said = canary_line(CanaryStatus(state=state, since=since, why=why), now.timestamp())
    assert said.en == line and said.vi.startswith("tin thử")


def test_a_spool_folder_of_another_user_takes_no_status_away(tmp_path, monkeypatch):
    settings = LoaSettings(data_dir=tmp_path)
    settings.spool_dir.mkdir()
    (settings.spool_dir / f"{1:020d}-{'a' * 26}.json").touch()
    assert spooled_events(settings) == 1

    def deny(_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", deny)
    assert spooled_events(settings) == 0


def test_a_canary_that_was_held_is_told_before_it_is_late():
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    held = CanaryStatus(state="ok", since=now - timedelta(minutes=9), why="the channel said: x")
    said = canary_line(held, now.timestamp())
    assert said.en == "canary ok 9 min ago; the last one: the channel said: x"
    assert said.vi.endswith("9 phút trước; lần cuối: kênh báo: “x”")


def test_a_canary_that_has_just_come_back_is_told_in_plain_vietnamese():
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    back = CanaryStatus(state="ok", since=now)
    assert canary_line(back, now.timestamp()).vi == "tin thử vừa quay lại"
    later = canary_line(back, now.timestamp() + 181).vi
    assert later == "tin thử đã quay lại 3 phút trước"


def test_where_no_loa_runs_an_old_canary_proves_nothing_of_now():
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    was = CanaryStatus(state="ok", since=now - timedelta(minutes=9))
    told = canary_line(was, now.timestamp(), at_work=False).en
    assert told == "canary was ok 9 min ago; no Loa runs now"


@pytest.mark.parametrize("state", ["late", "waiting"])
def test_where_no_loa_runs_no_canary_is_announced(state):
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    was = CanaryStatus(state=state, since=now - timedelta(minutes=9), next_at=now)
    told = canary_line(was, now.timestamp(), at_work=False).en
    assert told == "canary: none back since 2027-01-15 14:51:00+07; no Loa runs now"


def test_a_canary_that_is_not_sent_yet_is_on_no_way():
    now = datetime(2027, 1, 15, 8, tzinfo=UTC)
    waits = CanaryStatus(state="waiting", since=now, next_at=now + timedelta(minutes=9))
    said = canary_line(waits, now.timestamp()).en
    assert said == "canary: none on its way, the next goes at 2027-01-15 15:09:00+07"


def test_a_portal_whose_pages_are_gone_is_lost(tmp_path):
    def lost() -> list[FieldError]:
        return list(CHANNELS[PORTAL].lost_files(LoaSettings(data_dir=tmp_path)))

    assert lost() == []
    (tmp_path / "portal" / "state").mkdir(parents=True)
    assert lost() == [], "without an index nobody writes them again: another finding"
    index = PortalIndex(tmp_path / "portal" / "state" / "index.sqlite")
    index.create_tables()
    index.close()
    [gone] = lost()
    assert "loa rebuild portal" in gone.message and "loa rebuild portal" in gone.message_vi
    (tmp_path / "portal" / "public").mkdir()
    (tmp_path / "portal" / "public" / "index.html").touch()
    assert lost() == []


async def test_each_worker_says_where_its_output_goes_and_if_it_is_a_stand_in(bus, status, clock):
    await destinations.write_destination(
        bus, EMAIL, Destination(to="the relay smtp.x:587 (tls: starttls)", at=clock())
    )
    box = "the catch-all mailbox at http://127.0.0.1:8080/hop-thu-thu, LOA_EMAIL_HOST is empty"
    told = (await status.report()).channels
    [line] = destination_lines(told[EMAIL])
    assert line.en == "goes to the relay smtp.x:587 (tls: starttls)"
    assert line.vi == "nơi đến: máy chủ gửi thư smtp.x:587 (tls: starttls)"
    assert list(destination_lines(told[ZALO])) == [], "no worker has started yet"
    await destinations.write_destination(bus, EMAIL, Destination(to=box, stand_in=True, at=clock()))
    told = (await status.report()).channels[EMAIL]
    [line] = destination_lines(told)
    assert line.en == f"goes to {box}: nobody outside gets anything"
    assert line.vi.endswith(", chưa đặt LOA_EMAIL_HOST: bên ngoài không nhận được gì")


async def test_of_a_loa_that_does_not_run_it_says_where_output_went(bus, status, clock):
    """Its addresses answer no more."""
    place = Destination(to="the catch-all mailbox at http://127.0.0.1:1/x", stand_in=True)
    await destinations.write_destination(bus, EMAIL, place)
    told = (await status.report(at_work=False)).channels[EMAIL]
    [line] = destination_lines(told, at_work=False)
    assert line.en.startswith("went to the catch-all mailbox") and "while it ran" in line.en
    assert "khi còn chạy" in line.vi and "bên ngoài không nhận" not in line.vi


def a_node(**changes):
    """As much of a node as a destination is told from."""
    node = {
        "email": EmailSettings(), "zalo": ZaloSettings(), "settings": LoaSettings(),
        "stand_ins": set(), "own_url": "http://127.0.0.1:8080",
        "public_url": "https://tin.moha.example", "clock": lambda: 0.0,
    }  # fmt: skip
    return SimpleNamespace(**(node | changes))


RELAY = {"host": "smtp.x", "username": "ai-do", "password": "bi-mat", "from_": "a@moha.example"}


@pytest.mark.parametrize(
    ("changes", "channel", "words", "stand_in"),
    [
        ({}, EMAIL, "nowhere, LOA_EMAIL_HOST is empty", True),
        ({"stand_ins": {EMAIL}}, EMAIL, "catch-all mailbox at http://127.0.0.1:8080/hop-", True),
        ({"email": EmailSettings(**RELAY)}, EMAIL, "the relay smtp.x:587 (tls: starttls)", False),
        (
            {"email": EmailSettings(**RELAY, fallback_host="b.x", fallback_port=25)},
            EMAIL,
            "the relay smtp.x:587 (tls: starttls), else b.x:25 (tls: starttls)",
            False,
        ),
        ({}, ZALO, "nowhere, LOA_ZALO_APP_ID is empty", True),
        ({"zalo": ZaloSettings(app_id="123")}, ZALO, "Zalo, application 123", False),
        ({"stand_ins": {ZALO}}, ZALO, "the Zalo sandbox at ", True),
        (
            {"zalo": ZaloSettings(app_id="123", openapi_url="http://zalo-sandbox:8090")},
            ZALO,
            "the Zalo sandbox at http://zalo-sandbox:8090",
            True,
        ),
        ({}, PORTAL, "https://tin.moha.example, files in ", False),
        (
            {"public_url": "http://127.0.0.1:8080"},
            PORTAL,
            "LOA_PUBLIC_URL is empty: feeds and pages name http://127.0.0.1:8080",
            False,
        ),
        (
            {"settings": LoaSettings(public_url="https://tin.vn"), "public_url": "https://tin.vn"},
            PORTAL,
            f"https://tin.vn, files in {Path('var/portal').absolute()}",
            False,
        ),
    ],
)
def test_where_output_goes_is_told_from_the_senders_settings(changes, channel, words, stand_in):
    to, is_stand_in = CHANNELS[channel].load_parts().destination(a_node(**changes))
    assert (words in to, is_stand_in) == (True, stand_in)
    assert "ai-do" not in to and "bi-mat" not in to


def test_the_table_has_the_lanes_that_something_waits_in(capsys):
    lanes = {lane: LaneStatus() for lane in Lane}
    channels = {name: ChannelStatus(paused=False, lanes=dict(lanes)) for name in ChannelName}
    report = StatusReport(channels=channels)
    print_report(report)
    well = capsys.readouterr().out
    assert "nothing waits" in well and "không có gì đang chờ" in well and "backlog" not in well
    channels[EMAIL].lanes[Lane.BULK] = LaneStatus(backlog=7)
    channels[ZALO].paused = True
    print_report(report)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " closed " in line]
    assert [(row[0], row[3]) for row in rows] == [("email", "bulk")]


PAUSED = ("lanes: nothing waits; paused: {}", "lanes: không có gì đang chờ; đang tạm dừng: {}")
BUSY = (
    "lanes: paused, and nothing waits there: {}",
    "lanes: đang tạm dừng và không có gì chờ: {}",
)
OPEN = (
    "lanes: nothing waits in any, and no channel is paused",
    "lanes: không có gì đang chờ ở mức ưu tiên nào, không kênh nào bị tạm dừng",
)


@pytest.mark.parametrize(
    ("paused", "busy", "unplanned", "lines"),
    [
        ([], [], 0, OPEN),
        ([PORTAL, EMAIL, ZALO], [], 0, [one.format("portal, email, zalo") for one in PAUSED]),
        ([ZALO], [EMAIL], 0, [one.format("zalo") for one in BUSY]),
        ([ZALO, EMAIL], [EMAIL], 0, [one.format("zalo") for one in BUSY]),
        ([EMAIL], [EMAIL], 0, []),
        ([EMAIL], [], 1, [one.format("email") for one in BUSY]),
        ([], [], 1, []),
    ],
)
def test_a_paused_channel_is_named_also_where_nothing_waits(capsys, paused, busy, unplanned, lines):
    waits = {name: int(name in busy) for name in (PORTAL, EMAIL, ZALO)}
    channels = {
        name: ChannelStatus(
            paused=name in paused, lanes={Lane.NORMAL: LaneStatus(backlog=waits[name])}
        )
        for name in waits
    }
    print_report(StatusReport(channels=channels, unplanned={EMAIL: unplanned}))
    printed = capsys.readouterr().out.splitlines()
    assert [line for line in printed if line.startswith("lanes: ")] == list(lines)


def a_finding(severity):
    facts = {"code": "x", "about": "loa", "message": "x", "message_vi": "x"}
    return StatusFinding(severity=severity, **facts)


@pytest.mark.parametrize(
    ("at_work", "severities", "lines"),
    [
        (True, ["watch"], ("nothing needs a person", "không có việc gì cần người xử lý")),
        (
            False,
            ["watch", "watch", "note"],
            (
                "does not run on this folder; warnings: 2",
                "không chạy trên thư mục này; cảnh báo: 2",
            ),
        ),
        (False, ["act", "watch"], ("problems that need a person: 1", "việc cần người xử lý: 1")),
    ],
)
def test_the_headline_of_a_loa_that_does_not_run_says_so(capsys, at_work, severities, lines):
    findings = tuple(map(a_finding, severities))
    print_report(StatusReport(channels={}, at_work=at_work, findings=findings))
    assert capsys.readouterr().out.splitlines()[:2] == [f"loa: {line}" for line in lines]


async def test_publications_that_are_not_planned_yet_are_told(bus, tmp_path, capsys):
    loader = StatusLoader(LoaSettings(_env_file=None, data_dir=tmp_path), bus, own=True)
    assert set((await loader.load()).unplanned.values()) == {0}
    text = a_publication(channels=["email"])
    await bus.publish(subjects.publication(text.topic, text.content_id), publication.encode(text))
    report = await loader.load()
    assert report.unplanned[EMAIL] == 1
    print_report(report)
    said = capsys.readouterr().out
    assert "1 publication waits for the list of recipients" in said
    assert "1 tin chờ lập danh sách" in said and "nothing waits" not in said


@pytest.mark.parametrize(
    ("lag_s", "line"),
    [
        (0.4, "portal replica web2: 0 s behind, at 812; said 3 s ago"),
        (75.0, "portal replica web2: 75 s behind, at 812; said 3 s ago"),
        (None, "portal replica web2: makes its files; said 3 s ago"),
    ],
)
def test_each_replica_has_a_line_also_when_it_is_well(capsys, monkeypatch, lag_s, line):
    said_at = datetime(2027, 1, 15, 8, tzinfo=UTC)
    monkeypatch.setattr(time, "time", lambda: said_at.timestamp() + 3)
    replica = ReplicaStatus(name="web2", said_at=said_at, lag_s=lag_s, position=812)
    print_report(StatusReport(channels={}, replicas=(replica,)))
    shown = capsys.readouterr().out
    assert line in shown and "bản sao cổng thông tin web2" in shown


@pytest.mark.parametrize(
    ("lag_s", "age_s", "code"),
    [
        (0.0, 3.0, "bus_replica_follows"),
        (59.0, 119.0, "bus_replica_follows"),
        (60.0, 3.0, "bus_replica_late"),
        (0.0, 120.0, "bus_replica_late"),
        (None, 3.0, "bus_replica_begins"),
    ],
)
def test_the_doctor_says_how_far_each_replica_is(lag_s, age_s, code):
    finding = judge_replica(
        ReplicaRecord(name="web2", at=1000.0, lag_s=lag_s, seq=812), 1000 + age_s
    )
    assert finding.code == code and "web2" in finding.message and "web2" in finding.message_vi


async def test_the_status_of_a_bus_has_its_replicas(bus):
    at = int(time.time())
    await write_replica(bus, ReplicaRecord(name="web2", at=at, lag_s=1.5, seq=812))
    facts = FactsReader(bus, ZaloSettings(), time.time)
    [replica] = map(replica_status, await facts.replicas())
    assert (replica.name, replica.lag_s, replica.position) == ("web2", 1.5, 812)
    assert replica.said_at.timestamp() == at
