"""What every command keeps to: exit codes, and no folder is emptied that is not the demo's own."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest
import structlog
import typer
from starlette.responses import PlainTextResponse

from channels.portal.serve import portal_app
from consumers.app import running
from consumers.app.settings import LoaSettings, Ready
from consumers.app.web import Faces
from consumers.cli import Commands, app, demo
from consumers.cli.answers import explained
from contracts.errors import Conflict, Invalid, Unavailable, fault
from producers.bus import Silence
from producers.server import NatsServer

ROOT = Path(__file__).parent.parent


def code_of(error: Exception) -> int:
    with pytest.raises(typer.Exit) as ended, explained():
        raise error
    return ended.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid(fault("id", "missing")), 2),
        (Conflict(fault("id", "missing")), 2),
        (PermissionError(13, "Permission denied", "var/run"), 2),
        (Unavailable(fault("event", "unavailable", retry_after_s=5)), 3),
        (Silence("no answer"), 3),
    ],
)
def test_wrong_input_is_2_and_an_absent_bus_is_3(error, code, capsys):
    assert code_of(error) == code
    assert len(capsys.readouterr().err.splitlines()) >= 2, "in both languages"


@pytest.mark.parametrize("name", Commands.places)
def test_every_command_can_be_loaded_and_says_what_it_does(name):
    command = typer.main.get_command(app).get_command(None, name)
    assert command.name == name
    assert command.get_short_help_str()


def test_a_command_does_not_wait_for_what_it_does_not_use():
    alone = "import sys, consumers.cli.items; assert 'channels.zalo.channel' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", alone], check=False).returncode == 0


def test_a_folder_that_is_no_demos_is_left_alone(tmp_path, capsys):
    (tmp_path / "luan-van.txt").write_text("ba năm làm việc")
    with pytest.raises(SystemExit) as ended:
        app(["demo", "--data", str(tmp_path)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "was not made by a demo" in said
    assert "không do bản chạy thử tạo ra" in said
    assert [path.name for path in tmp_path.iterdir()] == ["luan-van.txt"]


def test_a_new_folder_an_empty_one_and_a_demos_own_are_taken(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = tmp_path / "new" / "demo"
    demo.empty(folder)
    (folder / "nats").mkdir()
    (folder / "nats" / "old").touch()
    (folder / "loa.log").touch()
    (folder / "link").symlink_to(outside)
    demo.empty(folder)
    assert [path.name for path in folder.iterdir()] == [demo.MARK]
    assert (outside / "kept").exists(), "a link is removed, not followed"
    demo.empty(outside.with_name("empty"))
    assert (tmp_path / "empty" / demo.MARK).exists()


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("x")
    with pytest.raises(NotADirectoryError):
        demo.empty(path)
    assert path.read_text() == "x"


@pytest.mark.parametrize("target", ["*", "//", "http:"])
@pytest.mark.parametrize("portal", [True, False])
async def test_a_target_without_a_path_is_answered(tmp_path, target, portal):
    faces = Faces()
    faces.add(PlainTextResponse("the door"), "v1")
    if portal:
        faces.add(portal_app(tmp_path))
    answers = []

    async def send(message):
        answers.append(message)

    async def receive():
        return {"type": "http.request", "body": b""}

    scope = {
        "type": "http",
        "method": "OPTIONS",
        "path": target,
        "raw_path": target.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [],
    }
    await faces(scope, receive, send)
    assert 400 <= answers[0]["status"] < 500


async def test_a_face_has_every_path_below_its_name(tmp_path):
    faces = Faces()
    faces.add(PlainTextResponse("the door"), "v1")
    transport = httpx2.ASGITransport(faces)
    async with httpx2.AsyncClient(transport=transport, base_url="http://loa") as client:
        said = [(await client.get(path)).text for path in ("/v1", "/v1/events", "/v2", "/")]
    assert said == ["the door", "the door", "Not found", "Not found"]


@pytest.fixture
def settings(tmp_path):
    settings = LoaSettings(data_dir=tmp_path)
    settings.run_dir.mkdir()
    return settings


def test_a_ready_file_that_can_not_be_read_is_no_running_loa(settings):
    running.ready_file(settings).mkdir()  # any OSError; even root meets this one
    assert asyncio.run(running.running(settings)) is None


@pytest.mark.parametrize(("pid", "left"), [(1, False), (2, True)])
def test_only_our_own_ready_file_is_removed(settings, pid, left):
    ready = Ready(url="http://loa", nats_url="nats://loa", pid=1)
    with running.announced(settings, ready):
        told = json.loads(running.ready_file(settings).read_text())
        running.ready_file(settings).write_text(json.dumps(told | {"pid": pid}))
    assert running.ready_file(settings).exists() is left


def test_of_two_one_is_the_folders_loa(settings):
    with running.alone(settings):
        with pytest.raises(Invalid) as caught, running.alone(settings):
            pytest.fail("two at once")
        assert str(settings.data_dir) in str(caught.value)
        (told,) = caught.value.errors
        for said in (told.message, told.message_vi):  # `run` and `restore` have no --data
            assert "LOA_DATA_DIR" in said and "--data" not in said
    with running.alone(settings):
        pass


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


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "pause email",
        "resume email",
        "check --deep",
        "trace tin",
        "withdraw tin --reason nham",
        "units list",
        "units add van-phong-bo",
        f"subscribers import {demo.READERS}",
        "desk list",
        "dead list",
        "backup saved",
        "rebuild",
        "restore --end-doubt",
    ],
)
def test_a_folder_without_a_store_is_refused_and_left_as_it_is(words, folder, capsys):
    assert run(*words.split()) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert f"no Loa's data in {folder}" in told.err
    assert f"không có dữ liệu của Loa trong {folder}" in told.err
    assert list(folder.parent.iterdir()) == []


def test_a_place_for_a_store_is_no_store(folder, capsys):
    """The place where a disk is to be mounted, say."""
    (folder / "nats").mkdir(parents=True)
    assert run("status") == 3
    assert "no Loa's data" in capsys.readouterr().err
    assert [*folder.rglob("*")] == [folder / "nats"]


def make_store(folder) -> None:
    async def make() -> None:
        async with NatsServer(folder / "nats"):
            pass

    asyncio.run(make())


def test_that_no_loa_runs_is_said_once(folder, capsys):
    make_store(folder)
    assert run("rebuild") == 0
    told = capsys.readouterr().err
    assert told.count("no Loa runs on") == told.count("không có Loa nào đang chạy") == 1


def test_a_backup_and_its_way_back_are_told_with_what_comes_next(folder, monkeypatch, capsys):
    make_store(folder)
    saved = str(folder.parent / "saved")
    assert run("backup", saved) == 0
    english, vietnamese = capsys.readouterr().out.splitlines()[-2:]
    assert english.startswith(f"{saved}: ") and vietnamese.startswith(f"{saved}: ")
    assert str(folder / "vault.key") in english and str(folder / "vault.key") in vietnamese
    monkeypatch.setenv("LOA_DATA_DIR", str(folder.parent / "new"))
    assert run("restore", saved, "--new-key") == 0
    first, dau, then, sau = capsys.readouterr().out.splitlines()[-4:]
    assert "Next: `loa rebuild`" in first and "Tiếp theo: `loa rebuild`" in dau
    assert "--end-doubt" in then and "--end-doubt" in sau
    for said, hoi in [("not in doubt", "được xem là mới"), ("nothing is in doubt", "không có")]:
        assert run("restore", "--end-doubt") == 0
        english, vietnamese = capsys.readouterr().out.splitlines()[-2:]
        assert said in english and hoi in vietnamese
    assert run("restore", "--new-key") == 0
    english, vietnamese = capsys.readouterr().out.splitlines()[-2:]
    assert "is the key from now on" in english and "là khóa được dùng" in vietnamese


def test_a_bus_that_is_away_is_told_soon_and_in_two_lines(tmp_path):
    """No log stands before the answer, although it was asked again and again meanwhile."""
    env = {"LOA_NATS_URL": "nats://127.0.0.1:1", "LOA_DATA_DIR": str(tmp_path)}
    words = [sys.executable, "-m", "consumers.cli", "status"]
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    english, vietnamese = done.stderr.splitlines()
    assert "no answer within 5.0 s" in english
    assert "không kết nối được" in vietnamese


def test_what_a_killed_loa_left_behind_is_no_trouble_of_the_next_command(folder):
    make_store(folder)
    (folder / "run").mkdir()
    left = {"url": "http://x", "nats_url": "nats://127.0.0.1:1", "pid": 1}
    (folder / "run" / "ready.json").write_text(json.dumps(left))
    words = [sys.executable, "-m", "consumers.cli", "units", "list"]
    env = {"LOA_DATA_DIR": str(folder)}
    done = subprocess.run(words, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert [line[:4] for line in done.stderr.splitlines()] == ["bus:"] * 2


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
    assert "Z (by: Trần Thị B; reason: bảo trì);" in again
    assert "Z (người thực hiện: Trần Thị B; lý do: bảo trì);" in again
    status = said("status", "--json")
    email = json.loads(status)["channels"]["email"]
    assert (email["paused_by"], email["paused_reason"]) == ("Trần Thị B", "bảo trì")
    assert email["lanes"]["normal"]["per_s"] is None, "nobody works"
    said("pause", "portal", "--by", "a\x1b[31mb", "--reason", "l1\nemail: goes on")
    again = said("pause", "portal")
    assert (again.count("\n"), "\x1b" in again) == (2, False)
    assert "(by: aU+001B[31mb; reason: l1U+000Aemail: goes on)" in again
    assert said("resume", "email") == "email: goes on\nemail: chạy tiếp\n"
    assert said("resume", "email") == "email: was not paused\nemail: không bị tạm dừng\n"
