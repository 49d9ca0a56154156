"""The client's `loa`: exit codes, answers for people and scripts, where it looks for the bus."""

import asyncio
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from typer.testing import CliRunner

from contracts import subjects
from producers.cli import ClientSettings, app
from producers.spool import Spool
from tests.support.cli import json_output
from tests.support.full_disk import room_for
from tests.support.gateway_client import UNIT, sample_event, stored_events
from tests.support.interruptions import an_interruption
from tests.support.json_answers import check_answer

LOA = "import sys; from producers.cli import main; sys.argv[0] = 'loa'; main()"
BARE = {
    "content_id": "lich-tiep-dan",
    "revision": 1,
    "topic": "thu-tuc-hanh-chinh",
    "title": "Lịch tiếp công dân",
    "body": "Bộ tiếp công dân vào **thứ Năm**.",
}
PAST = "2026-01-01T08:00:00+07:00"
OWN_WORDS = """
[units.van-phong-bo]
name = "Văn phòng Bộ"
english = "Office"
[topics.chu-de-rieng]
name = "Chủ đề riêng"
english = "Own topic"
[audiences.cong-dan]
name = "Công dân"
english = "Citizens"
"""


@pytest.fixture
def loa_process(tmp_path):
    """Runs the command in a process of its own; `url` is the bus it is told of."""

    def run(*args, stdin, url=""):
        return subprocess.run(
            [sys.executable, "-c", LOA, *args],
            input=json.dumps(stdin).encode(),
            capture_output=True,
            cwd=tmp_path,
            env={"LOA_NATS_URL": url, "LOA_DATA_DIR": str(tmp_path / "var")},
            check=False,
        )

    return run


@pytest.fixture
def run_in_process(tmp_path, monkeypatch):
    """Runs the command in this process, which is quicker."""
    monkeypatch.chdir(tmp_path)

    def run(*args, stdin=b"", url="", **env):
        content = stdin if isinstance(stdin, bytes) else json.dumps(stdin).encode()
        env |= {"LOA_NATS_URL": url, "LOA_DATA_DIR": str(tmp_path / "var")}
        return CliRunner().invoke(app, [str(arg) for arg in args], input=content, env=env)

    return run


@pytest.fixture
def loa(run_in_process):
    """As `run_in_process`, on a thread: the command has a loop of its own."""
    return partial(asyncio.to_thread, run_in_process)


def waiting(tmp_path):
    return Spool(tmp_path / "var" / "spool").waiting()


def test_a_valid_event_is_said_to_be_valid(run_in_process):
    answer = run_in_process("validate", "-", stdin=sample_event())
    assert answer.exit_code == 0
    assert "hợp lệ" in answer.stdout
    answer = run_in_process("validate", "-", "--json", stdin=sample_event())
    assert json.loads(answer.stdout)["content_id"] == sample_event()["data"]["content_id"]


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        (b"", "event"),
        (b"{", "event"),
        (b"[]", "event"),
        (b'"\\ud800"', "event"),
        (b" " * 300_000, "event"),
        (sample_event(title=""), "data.title"),
        (sample_event() | {"specversion": "2"}, "specversion"),
        (BARE, "unit"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "publish"])
def test_an_invalid_event_is_2_and_names_the_field(run_in_process, tmp_path, command, sent, field):
    answer = run_in_process(command, "-", "--json", stdin=sent)
    assert answer.exit_code == 2
    [error] = json.loads(answer.stdout)["errors"]
    assert error["field"] == field
    assert f"{field}: {error['message']}" in answer.stderr
    assert f"{field}: {error['message_vi']}" in answer.stderr
    assert waiting(tmp_path) == []
    assert run_in_process(command, "-", stdin=sent).stdout == ""


def test_what_is_over_already_is_invalid_as_at_the_http_door(run_in_process):
    over = sample_event(not_before=None, expires_at=PAST)
    answer = run_in_process("validate", "-", "--json", stdin=over)
    assert answer.exit_code == 2
    [error] = json.loads(answer.stdout)["errors"]
    assert error["field"] == "data.expires_at"
    assert "has passed" in error["message"] and "đã qua" in error["message_vi"]


def test_an_interruption_that_is_announced_too_late_is_invalid_as_at_the_http_door(run_in_process):
    tomorrow = an_interruption(datetime.now(UTC) + timedelta(days=1))
    late = sample_event(not_before=None, interruption=tomorrow)
    answer = run_in_process("validate", "-", "--json", stdin=late)
    assert answer.exit_code == 2
    [error] = json.loads(answer.stdout)["errors"]
    assert error["field"] == "data.interruption.begins_at"
    excused = sample_event(not_before=None, interruption=tomorrow | {"force_majeure": "Bão"})
    assert run_in_process("validate", "-", stdin=excused).exit_code == 0


def test_a_permission_that_is_not_known_here_is_named(run_in_process):
    answer = run_in_process("validate", "-", stdin=sample_event(lane="urgent"))
    assert answer.exit_code == 0
    assert answer.stderr.count("data.lane: ") == 2
    assert run_in_process("validate", "-", stdin=sample_event()).stderr == ""


def test_publishing_warns_of_what_reaches_nobody_and_of_what_comes_later(run_in_process, tmp_path):
    over = sample_event(not_before=None, expires_at=PAST, lane="urgent")
    answer = run_in_process("publish", "-", stdin=over)
    assert (answer.exit_code, len(waiting(tmp_path))) == (3, 1)
    assert "data.expires_at: " in answer.stderr and "data.lane: " in answer.stderr


@pytest.mark.parametrize("command", ["validate", "publish"])
def test_a_title_that_zalo_shows_in_part_is_said(run_in_process, command):
    long = sample_event(title="Công bố thủ tục hành chính " * 11)
    answer = run_in_process(command, "-", "--json", stdin=long)
    [warning] = json_output(answer)["warnings"]
    check_answer([command, "--json"], 0, answer.stdout)
    assert warning["code"] == "title_cut"
    assert f"data.title: {warning['message']}" in answer.stderr
    assert f"data.title: {warning['message_vi']}" in answer.stderr
    long["data"]["short_title"] = "Công bố thủ tục hành chính"
    answer = run_in_process(command, "-", "--json", stdin=long)
    assert "warnings" not in json_output(answer)


def test_a_file_that_is_not_there_is_2(run_in_process):
    answer = run_in_process("validate", "khong-co.json")
    assert answer.exit_code == 2
    assert "khong-co.json: không đọc được" in answer.stderr


def test_a_field_name_that_can_not_be_printed_is_made_readable(run_in_process):
    event = sample_event()
    event["data"]["a\x1b[2Jb"] = 1
    answer = run_in_process("validate", "-", stdin=event)
    assert answer.exit_code == 2
    assert "data.aU+001B[2Jb: " in answer.stderr


async def test_publishing_says_accepted_then_already_known(loa, bus, nats_server, tmp_path):
    (tmp_path / "tin.json").write_text(json.dumps(sample_event()))
    first = await loa("publish", "tin.json", "--json", url=nats_server.url)
    again = await loa("publish", "tin.json", "--json", url=nats_server.url)
    assert (first.exit_code, again.exit_code) == (0, 0), first.stderr
    told = json_output(first)
    assert (told["revision"], told["duplicate"]) == (1, False)
    assert json_output(again) == told | {"duplicate": True}
    assert [one["id"] for one in await stored_events(bus)] == ["e-1"]
    assert "đã có từ trước" in (await loa("publish", "tin.json", url=nats_server.url)).stdout


@pytest.mark.parametrize(
    ("data", "kind", "event_id"),
    [
        (BARE, "submitted", "lich-tiep-dan.1"),
        (BARE | {"revision": 2}, "submitted", "lich-tiep-dan.2"),
        (BARE | {"revision": 2, "corrects_revision": 1}, "corrected", "lich-tiep-dan.2"),
        ({"content_id": "lich-tiep-dan", "reason": "Sai ngày."}, "withdrawn", None),
    ],
)
async def test_bare_data_becomes_an_event_of_the_unit(loa, bus, nats_server, data, kind, event_id):
    for _ in range(2):
        words = ("publish", "-", "--unit", "van-phong-bo")
        answer = await loa(*words, stdin=data, url=nats_server.url)
        assert answer.exit_code == 0, answer.stderr
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    event = json.loads(message.data)
    assert message.subject == f"content.van-phong-bo.{kind}"
    assert event["data"] == data
    assert event["source"] == "/units/van-phong-bo"
    assert event_id in (None, event["id"])


def test_bare_data_that_is_wrong_names_its_fields(run_in_process):
    answer = run_in_process("validate", "-", "--unit", UNIT, "--json", stdin={"tittle": "x\u0007"})
    fields = {error["field"] for error in json.loads(answer.stdout)["errors"]}
    assert {"data.content_id", "data.revision", "data.title", "data.tittle"} <= fields


@pytest.mark.parametrize("unit", ["vu-khong-co", "van-phong-bo"])
@pytest.mark.parametrize("command", ["validate", "publish"])
def test_a_unit_that_may_not_send_it_is_2(run_in_process, command, unit):
    answer = run_in_process(command, "-", "--unit", unit, "--json", stdin=sample_event())
    assert answer.exit_code == 2
    assert json.loads(answer.stdout)["errors"][0]["field"] == "source"


async def test_without_the_bus_it_is_3_and_the_next_one_sends_both(loa, bus, nats_server, tmp_path):
    for n in range(2):
        event = sample_event(id=f"e-{n}", content_id=f"tin-{n}")
        answer = await loa("publish", "-", "--json", stdin=event)
        assert answer.exit_code == 3, answer.stderr
        assert json_output(answer)["path"] == str(waiting(tmp_path)[n])
    later = sample_event(id="e-2", content_id="tin-2")
    assert (await loa("publish", "-", stdin=later, url=nats_server.url)).exit_code == 0
    assert [one["id"] for one in await stored_events(bus)] == ["e-0", "e-1", "e-2"]
    assert waiting(tmp_path) == []


@pytest.mark.parametrize("own", [True, False])
def test_who_keeps_an_event_is_told_who_will_send_it(run_in_process, tmp_path, own):
    """Only `loa up` on the same folder does it by itself; a unit's own machine has none."""
    if own:
        (tmp_path / "var" / "nats" / "jetstream").mkdir(parents=True)
    answer = run_in_process("publish", "-", stdin=sample_event())
    english, vietnamese = answer.stdout.splitlines()[-2:]
    assert ("loa up" in english, "loa up" in vietnamese) == (own, own)
    assert "next publish" in english and "`loa publish` lần sau" in vietnamese


async def test_a_running_loa_is_found_through_its_data_folder(
    loa_process, bus, nats_server, tmp_path
):
    ready = tmp_path / "var" / "run" / "ready.json"
    ready.parent.mkdir(parents=True)
    ready.write_text(json.dumps({"url": "http://x", "nats_url": nats_server.url, "pid": 1}))
    assert loa_process("publish", "-", stdin=sample_event()).returncode == 0
    assert [one["id"] for one in await stored_events(bus)] == ["e-1"]


@pytest.mark.parametrize("left", [b"", b"[]", b"{}", b'{"nats_url": "nats://127.0.0.1:1"}'])
def test_what_a_dead_loa_left_behind_is_not_believed(run_in_process, tmp_path, left):
    ready = tmp_path / "var" / "run" / "ready.json"
    ready.parent.mkdir(parents=True)
    ready.write_bytes(left)
    assert run_in_process("publish", "-", stdin=sample_event()).exit_code == 3
    assert len(waiting(tmp_path)) == 1


def test_schemas_are_listed_and_printed(run_in_process):
    names = run_in_process("schemas").stdout.split()
    assert "vn.gov.moha.content.submitted.v1" in names
    printed = run_in_process("schemas", "vn.gov.moha.content.submitted.v1")
    assert "content_id" in json.loads(printed.stdout)["properties"]
    refused = run_in_process("schemas", "../messages")
    assert (refused.exit_code, refused.stdout) == (2, "")


def test_an_operators_own_words_count(run_in_process, tmp_path):
    event = sample_event(topic="chu-de-rieng", audiences=["cong-dan"])
    assert run_in_process("validate", "-", stdin=event).exit_code == 2
    words = tmp_path / "var" / "vocabulary.toml"
    words.parent.mkdir()
    words.write_text(OWN_WORDS)
    assert run_in_process("validate", "-", stdin=event).exit_code == 0
    words.write_text("units = ")
    assert "vocabulary: " in run_in_process("validate", "-", stdin=event).stderr


def test_a_platform_that_mounts_the_commands_tells_where_things_are(tmp_path):
    settings = ClientSettings(data_dir=tmp_path / "elsewhere")
    content = json.dumps(sample_event()).encode()
    answer = CliRunner().invoke(app, ["publish", "-"], input=content, obj=lambda: settings)
    assert answer.exit_code == 3
    assert len(Spool(tmp_path / "elsewhere" / "spool").waiting()) == 1


def test_what_can_neither_be_sent_nor_kept_has_a_code_of_its_own(run_in_process, tmp_path):
    spool = tmp_path / "var" / "spool"
    spool.parent.mkdir()
    spool.write_text("in the way")
    answer = run_in_process("publish", "-", stdin=sample_event())
    assert answer.exit_code == 4
    assert "not sent and not kept" in answer.stderr
    assert "giải phóng ổ đĩa rồi gửi lại" in answer.stderr


def test_a_full_disk_is_called_that_and_its_folder_is_named(run_in_process, tmp_path):
    with room_for(0):
        answer = run_in_process("publish", "-", stdin=sample_event())
    assert answer.exit_code == 4
    english, vietnamese = answer.stderr.splitlines()[-2:]
    for said in (english, vietnamese):
        assert said.startswith("spool: ") and str(tmp_path / "var" / "spool") in said
    assert "make room" in english and "giải phóng" in vietnamese
    assert "bus is away" not in answer.stderr


def test_a_bus_that_is_away_is_told_by_the_answer_alone(loa_process):
    answer = loa_process("publish", "-", "--json", stdin=sample_event(), url="nats://127.0.0.1:1")
    assert json.loads(answer.stdout)["content_id"]
    assert answer.stderr == b""


def test_a_bus_that_refuses_the_credentials_is_told_and_the_event_is_kept(
    run_in_process, other_server, tmp_path
):
    with other_server("authorization { user: loa, password: mat-khau }") as server:
        refused = run_in_process(
            "publish", "-", stdin=sample_event(), url=server.url, LOA_NATS_PASSWORD="doan-mo"
        )
    assert refused.exit_code == 3
    assert "LOA_NATS_PASSWORD: the server refuses the credentials" in refused.stderr
    assert "LOA_NATS_PASSWORD: máy chủ NATS từ chối" in refused.stderr
    assert "doan-mo" not in refused.output
    assert len(waiting(tmp_path)) == 1


def test_credentials_that_cannot_be_used_are_named_before_anything_is_sent(
    run_in_process, tmp_path
):
    (tmp_path / "user.nk").write_text("SU")
    refused = run_in_process(
        "publish", "-", stdin=sample_event(), url="nats://127.0.0.1:1", LOA_NATS_NKEY_FILE="user.nk"
    )
    assert refused.exit_code == 2
    assert "LOA_NATS_NKEY_FILE: user.nk can be read by other users" in refused.stderr
    assert waiting(tmp_path) == []
