"""A command where no Loa runs: the store that is there answers, and none is made."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest
import structlog

from consumers.app import instance
from consumers.app.instance import BusUse
from consumers.app.settings import LoaSettings, RunningInstance
from consumers.audit.anchor import Anchor
from consumers.cli import demo
from consumers.cli.root import app
from consumers.key_file import KeyFile, register_key
from consumers.messages import field_error
from contracts.errors import Unavailable
from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from tests.support.forked_cli import command_fork

T = TypeVar("T")


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        app([*words])
    return ended.value.code


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The data folder of this shell, not yet there."""
    for name in ("LOA_NATS_URL", "LOA_VAULT_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path / "loa"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "loa"


COMMANDS = (
    *("status", "pause email", "resume email", "check --deep", "rebuild", "restore --end-doubt"),
    *("trace tin", "withdraw tin --reason nham --yes", "units list", "units add van-phong-bo"),
    *(f"subscribers import {demo.READERS}", "desk list", "dead list", "backup saved"),
)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_folder_without_a_store_is_refused_and_left_as_it_is(words, folder, capsys):
    assert run(*words.split()) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert f"no Loa's data in {folder}" in told.err
    assert f"không có dữ liệu của Loa trong {folder}" in told.err
    assert list(folder.parent.iterdir()) == []


def test_a_place_where_a_disk_is_to_be_mounted_is_no_store(folder, capsys):
    (folder / "nats").mkdir(parents=True)
    assert run("status") == 3
    assert [*folder.rglob("*")] == [folder / "nats"]


def make_store(folder) -> None:
    on_store(folder, topology.apply)


def on_store(folder, work: Callable[[Bus], Awaitable[T]]) -> T:
    """Do *work* on the bus of the store, as another program may."""

    async def run() -> T:
        async with NatsServer(folder / "nats") as server, await Bus.connect(server.url) as bus:
            return await work(bus)

    return asyncio.run(run())


def test_that_no_loa_runs_is_said_once(folder, capsys):
    make_store(folder)
    assert run("rebuild") == 0
    told = capsys.readouterr().err
    assert told.count("no Loa runs on") == told.count("không có Loa nào đang chạy") == 1


def test_one_of_many_is_called_one():
    counts = {"items": 1, "written": 1, "removed": 1}
    told = field_error("portal", "rebuilt_portal", **counts).message
    assert told == "1 item, 1 file written, 1 removed"
    assert field_error("directory", "rebuilt_directory", people=1).message == "1 person"


def test_backup_next_steps(folder, monkeypatch, capsys):
    make_store(folder)
    saved = str(folder.parent / "saved")
    assert run("backup", saved) == 0
    english, vietnamese = capsys.readouterr().out.splitlines()[-2:]
    assert english.startswith(f"{saved}: ") and vietnamese.startswith(f"{saved}: ")
    assert str(folder / "vault.key") in english and str(folder / "vault.key") in vietnamese
    new = folder.parent / "new"
    monkeypatch.setenv("LOA_DATA_DIR", str(new))
    assert run("restore", saved) == 2, "no key"
    assert run("restore", str(folder / "nats")) == 2, "no backup"
    assert not new.exists(), "a refusal makes nothing"
    assert run("restore", saved, "--new-key", "--yes") == 2, "no other key opens it"
    assert not new.exists()
    new.mkdir(exist_ok=True)
    shutil.copy(folder / "vault.key", new / "vault.key")
    assert run("restore", saved) == 0
    first, dau, then, sau = capsys.readouterr().out.splitlines()[-4:]
    assert "Next: `loa rebuild`" in first and "Tiếp theo: `loa rebuild`" in dau
    assert "--end-doubt" in then and "--end-doubt" in sau
    for said, hoi in [("not in doubt", "chưa gửi lần nào"), ("nothing is in doubt", "không có")]:
        assert run("restore", "--end-doubt") == 0
        english, vietnamese = capsys.readouterr().out.splitlines()[-2:]
        assert said in english and hoi in vietnamese
    assert run("restore", "--new-key") == 2, "no terminal, no --yes"
    assert run("restore", "--new-key", "--yes") == 0
    english, vietnamese = capsys.readouterr().out.splitlines()[-2:]
    assert "is the key from now on" in english and "là khóa được dùng" in vietnamese


def test_a_bus_that_is_away_is_told_soon_and_in_two_lines(tmp_path):
    """No log precedes the answer, although the command tries again and again meanwhile."""
    env = {"LOA_NATS_URL": "nats://127.0.0.1:1", "LOA_DATA_DIR": str(tmp_path)}
    done = command_fork().run(["status"], env, tmp_path)
    assert (done.exit_code, done.out) == (3, "")
    english, vietnamese = done.err.splitlines()
    assert "nats://127.0.0.1:1" in english and "nats://127.0.0.1:1" in vietnamese
    assert "không kết nối được" in vietnamese


def test_what_a_killed_loa_left_behind_is_no_trouble_of_the_next_command(folder):
    make_store(folder)
    (folder / "run").mkdir()
    left = {"url": "http://x", "nats_url": "nats://127.0.0.1:1", "pid": 1}
    (folder / "run" / "ready.json").write_text(json.dumps(left))
    done = command_fork().run(["units", "list"], {"LOA_DATA_DIR": str(folder)}, folder.parent)
    assert done.exit_code == 0
    assert [line[:4] for line in done.err.splitlines()] == ["bus:", "bus:", "list", "list"]


@pytest.mark.usefixtures("no_bus_soon")
def test_a_killed_loa_is_a_problem_and_a_stopped_one_is_none(folder, capsys):
    def found() -> tuple[int, dict]:
        capsys.readouterr()
        with structlog.testing.capture_logs():
            code = run("status", "--json")
        [one] = json.loads(capsys.readouterr().out)["findings"]
        return code, one

    make_store(folder)
    settings = LoaSettings(data_dir=folder)
    settings.run_dir.mkdir()
    ready = RunningInstance(url="http://x", nats_url="nats://127.0.0.1:1", pid=1)
    with instance.announced(settings, ready):
        os.utime(instance.ready_file(settings), (1000, 1000))
        code, one = found()
        assert (code, one["severity"], one["code"]) == (1, "act", "crashed")
        assert one["since"] == "1970-01-01T00:16:40Z"
    code, one = found()
    assert (code, one["severity"], one["code"]) == (0, "watch", "not_running")
    assert one["since"]


def test_a_store_that_is_there_answers_although_no_loa_runs(folder, capsys):
    def said(*words: str) -> str:
        capsys.readouterr()
        with structlog.testing.capture_logs():
            assert run(*words) == 0
        return capsys.readouterr().out

    make_store(folder)
    paused = said("pause", "email", "--reason", "bảo trì", "--by", "Trần Thị B")
    english, vietnamese = paused.splitlines()
    assert english == "email: paused; `loa resume email` goes on"
    assert vietnamese == "email: đã tạm dừng; chạy tiếp bằng `loa resume email`"
    again = said("pause", "email", "--reason", "thử", "--by", "Lê Văn C")
    assert again.startswith("email: already paused since 20")
    assert "+07 (by: Trần Thị B; reason: bảo trì);" in again
    assert " (người thực hiện: Trần Thị B; lý do: bảo trì);" in again
    status = said("status", "--json")
    email = json.loads(status)["channels"]["email"]
    assert (email["paused_by"], email["paused_reason"]) == ("Trần Thị B", "bảo trì")
    assert email["lanes"]["normal"]["per_s"] is None, "nobody works"
    lines = said("status").splitlines()
    assert lines[0] == "loa: does not run on this folder; warnings: 1"
    assert "lanes: nothing waits; paused: email" in lines
    assert run("pause", "portal", "--by", "a\x1b[31mb") == 2
    said("pause", "portal", "--by", "Lê Văn C", "--reason", "l1\nemail: goes on\x1b[31m")
    again = said("pause", "portal")
    assert (again.count("\n"), "\x1b" in again) == (2, False)
    assert "(by: Lê Văn C; reason: l1U+000Aemail: goes onU+001B[31m)" in again
    assert said("resume", "email") == "email: goes on\nemail: đã cho chạy tiếp\n"
    assert said("resume", "email") == "email: was not paused\nemail: đang chạy, không bị tạm dừng\n"


def test_a_lost_stream_is_named_and_stays_lost_until_that_is_accepted(folder, capsys):
    """Neither a command that looks nor one that acts makes it anew, which would hide the loss."""

    async def lose(bus: Bus) -> None:
        await topology.apply(bus)
        settings = LoaSettings(data_dir=folder)
        key = settings.key_file
        await register_key(bus, KeyFile.open(key))
        await Anchor(bus, settings.bus_state_file, key, time.time).renew()
        await bus.connection.api_request("STREAM.DELETE.KV_digests")

    async def is_there(bus: Bus) -> bool:
        return await topology.stream_exists(bus, "KV_digests")

    on_store(folder, lose)
    for words in ("status", "units list", "pause email --by An"):
        assert run(*words.split()) == 3
        told = capsys.readouterr().err
        assert "KV_digests: this stream is gone from the bus" in told, words
        assert "`loa audit accept --reason WHY`" in told
    assert not on_store(folder, is_there)
    assert run("audit", "accept", "--by", "An", "--reason", "mất", "--yes") == 0
    assert on_store(folder, is_there)


def test_settings_of_a_stream_that_a_kill_left_half_changed_break_no_promise(folder, capsys):
    """nats-server by itself leaves such a stream out; damaged settings are for a person."""

    async def begin(bus: Bus) -> None:
        await topology.apply(bus)
        await bus.publish("dead.intake", b"1")
        settings = LoaSettings(data_dir=folder)
        await register_key(bus, KeyFile.open(settings.key_file))
        await Anchor(bus, settings.bus_state_file, settings.key_file, time.time).renew()

    async def letters(bus: Bus) -> int:
        return (await bus.stream_info("DEAD"))["state"]["messages"]

    on_store(folder, begin)
    file = folder / "nats" / "jetstream" / "LOA" / "streams" / "DEAD" / "meta.inf"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b'"num_replicas":1', b'"description":"a","num_replicas":1'))
    assert run("check") == 0
    file.write_bytes(whole[:100])
    capsys.readouterr()
    assert run("check") == 3
    told = capsys.readouterr().err
    assert told.count("DEAD: ") == told.count(f" {file.relative_to(folder)}") == 2
    file.rename(folder / "meta.inf.damaged")
    assert run("audit", "accept", "--by", "An", "--reason", "ổ đĩa", "--yes") == 0
    assert on_store(folder, letters) == 1


def test_a_command_that_looks_at_data_of_an_older_version_changes_nothing(folder, capsys):
    async def older(bus: Bus) -> None:
        await topology.apply(bus)
        await bus.connection.api_request("STREAM.DELETE.KV_digests")
        info = await bus.stream_info("CONTENT")
        await bus.connection.api_request("STREAM.UPDATE.CONTENT", info["config"] | {"max_msgs": 9})

    async def state(bus: Bus) -> tuple[bool, int]:
        is_there = await topology.stream_exists(bus, "KV_digests")
        return is_there, (await bus.stream_info("CONTENT"))["config"]["max_msgs"]

    on_store(folder, older)
    assert run("status") == 3
    assert "the data lacks KV_digests" in capsys.readouterr().err
    assert on_store(folder, state) == (False, 9)
    assert run("pause", "email", "--by", "An") == 0, "an act brings it up to date"
    assert on_store(folder, state) == (True, -1)


LOOKS = (
    *("status", "check", "check --deep", "trace tin", "opinions", "digests", "whoami"),
    *(
        "units list",
        "units bus-keys van-phong-bo",
        "import status",
        "staff list",
        "staff identities",
    ),
    *(
        "desk list",
        "desk show tin",
        "dead list",
        "dead show 1",
        "retention plan",
        "zalo followers",
        "items list",
    ),
    *("zalo unknown", "mail suppressed list", "mail brakes list", "audit list", "audit verify"),
    *("subscribers show a@moha.example", "subscribers export a@moha.example", "audit export"),
)
ACTS = (
    *("pause email", "withdraw tin --reason nham --yes", "units add van-phong-bo", "logout"),
    *("desk approve tin", "rebuild", "staff disable an", "units rotate van-phong-bo"),
    *("subscribers remove a@moha.example --reason xin --yes",),
)


@pytest.mark.parametrize(
    ("words", "use"), [(w, BusUse.LOOK) for w in LOOKS] + [(w, BusUse.ACT) for w in ACTS]
)
def test_only_what_acts_may_bring_the_streams_up_to_date(words, use, folder, monkeypatch):
    uses = []

    @asynccontextmanager
    async def refused(_settings, _name, _patience_s, use):
        uses.append(use)
        raise Unavailable
        yield

    monkeypatch.setattr(instance, "command_bus", refused)
    assert (run(*words.split()), uses) == (3, [use])
