"""Rules for every command: exit codes, and no folder is emptied that is not the demo's own."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest
import typer

from consumers.app.ports import SANDBOX_PORT_OFFSET
from consumers.cli import demo
from consumers.cli.output import explain_errors
from consumers.cli.root import Commands, app
from consumers.cli.sample import ports
from consumers.cli.sample.kept import KeptSample
from contracts.errors import Conflict, Invalid, Unavailable, field_error
from producers.bus import Denied, NoReply
from producers.nats_server import NatsServer
from tests.support.frozen_process import frozen
from tests.support.ports import free_port


def code_of(error: Exception) -> int:
    with pytest.raises(typer.Exit) as ended, explain_errors():
        raise error
    return ended.value.exit_code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Invalid(field_error("id", "missing")), 2),
        (Conflict(field_error("id", "missing")), 2),
        (PermissionError(13, "Permission denied", "var/run"), 2),
        (Unavailable(field_error("event", "unavailable", retry_after_s=5)), 3),
        (NoReply("no answer"), 3),
        (Denied("no right"), 3),
    ],
)
def test_wrong_input_is_2_and_an_absent_bus_is_3(error, code, capsys):
    assert code_of(error) == code
    assert len(capsys.readouterr().err.splitlines()) >= 2, "in both languages"


def test_a_key_without_the_right_is_not_called_an_absent_server(capsys):
    code_of(Denied("publication.a.b"))
    english, vietnamese = capsys.readouterr().err.splitlines()
    for said in (english, vietnamese):
        assert (
            said.startswith("LOA_NATS_NKEY_FILE: ")
            and "loa-admin" in said
            and "publication.a.b" in said
        )


async def test_a_hung_server_is_named_with_its_process_and_the_next_step(tmp_path, capsys):
    async def told() -> str:
        with pytest.raises(typer.Exit) as ended, explain_errors():
            await NatsServer(tmp_path).start()
        assert ended.value.exit_code == 3
        english, vietnamese = capsys.readouterr().err.splitlines()[-2:]
        for said in (english, vietnamese):
            assert f" {os.getpid()} " in said and f" {server.pid}" in said and "nats.log" in said
            assert ("kill -CONT" in said) == ("kill -CONT" in english)
        assert "not there" not in english
        return english

    async with NatsServer(tmp_path, check_s=60) as server:
        assert "kill -CONT" not in await told()
        with frozen(server.pid):
            assert f"`kill -CONT {server.pid}`" in await told()


@pytest.mark.parametrize("name", Commands.command_paths)
def test_every_command_can_be_loaded_and_says_what_it_does(name):
    command = typer.main.get_command(app).get_command(None, name)
    assert command.name == name
    assert command.get_short_help_str()


def modules_after(command: str) -> list[str]:
    """Modules that a new process has imported after these lines of Python, which print nothing."""
    start = "import io, sys\nfrom contextlib import redirect_stdout"
    lines = "\n".join((start, command, "print(*sys.modules)"))
    run = subprocess.run([sys.executable, "-c", lines], capture_output=True, check=True, text=True)
    return run.stdout.split()


def test_a_command_does_not_wait_for_what_it_does_not_use():
    loaded = modules_after("import consumers.cli.items")
    unused = {"channels.zalo.channel", "faststream", "jinja2", "email_validator", "nacl"}
    unused |= {"consumers.operations.retention", "consumers.staff.passwords"}
    assert not unused & set(loaded)
    ours = ("channels", "consumers", "contracts", "producers")
    others = [name for name in loaded if name.partition(".")[0] not in ours]
    assert len(others) < 640, "one library more costs every command"


def test_the_list_of_commands_loads_none_of_them():
    loaded = modules_after(
        "from consumers.cli.root import app\n"
        "with redirect_stdout(io.StringIO()): app(['--help'], standalone_mode=False)"
    )
    assert not {"nats", "pydantic_settings", "consumers.app.settings"} & set(loaded)
    assert [name for name in loaded if name.startswith("consumers.cli.")] == [
        "consumers.cli.word_completion", "consumers.cli.root"
    ]  # fmt: skip
    assert len(loaded) < 600


def test_a_folder_that_is_no_demos_is_left_alone(tmp_path, capsys):
    (tmp_path / "luan-van.txt").write_text("ba năm làm việc")
    with pytest.raises(SystemExit) as ended:
        app(["demo", "--data", str(tmp_path)])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "was not made by a demo" in said
    assert "không do bản chạy thử tạo ra" in said
    assert [path.name for path in tmp_path.iterdir()] == ["luan-van.txt"]


def test_a_demo_goes_below_the_data_folder_that_is_set(tmp_path, monkeypatch, capsys):
    below = tmp_path / "data" / "demo"
    below.mkdir(parents=True)
    (below / "kept").touch()
    monkeypatch.setenv("LOA_DATA_DIR", str(below.parent))
    with pytest.raises(SystemExit):
        app(["demo"])
    assert str(below) in capsys.readouterr().err
    assert [path.name for path in below.iterdir()] == ["kept"], "which is no demo's"


def kept_sample(folder, port: int = 0) -> KeptSample:
    """A folder with a sample ministry that was filled to its end."""
    demo.prepare_folder(folder)
    sample = KeptSample(people=(), password="mật khẩu", key="GEZDGNBV", port=port)
    sample.write(folder / demo.MARK_FILE)
    (folder / "nats").mkdir()
    return sample


def test_a_filled_sample_ministry_is_opened_again_and_erased_only_when_asked(
    tmp_path, monkeypatch, capsys
):
    opened = []
    monkeypatch.setattr(demo, "_open_desk", lambda settings, kept: opened.append((settings, kept)))
    folder = tmp_path / "demo-desk"
    sample = kept_sample(folder)
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    run("demo", "--desk")
    assert opened[-1][1] == sample and (folder / "nats").is_dir()
    monkeypatch.setenv("LOA_DATA_DIR", str(folder))
    run("demo", "--desk")
    assert opened[-1][0].data_dir == folder, "none within it, as its own hint sets the variable"
    with pytest.raises(SystemExit):
        app(["demo", "--data", str(folder)])
    assert "--fresh" in capsys.readouterr().err and (folder / "nats").is_dir()
    run("demo", "--desk", "--fresh")
    assert opened[-1][1] is None and not (folder / "nats").exists()


def test_a_desk_keeps_the_port_that_is_chosen_for_it(tmp_path, monkeypatch, capsys):
    opened = []
    monkeypatch.setattr(demo, "_open_desk", lambda settings, kept: opened.append(settings))
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    kept_sample(tmp_path / "demo-desk")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("LOA_HTTP_PORT", str(port))
        with pytest.raises(SystemExit) as ended:
            app(["demo", "--desk", "--fresh"])
    assert ended.value.code == 4 and f"LOA_HTTP_PORT: 127.0.0.1:{port}" in capsys.readouterr().err
    assert (tmp_path / "demo-desk" / "nats").is_dir(), "nothing is erased for a start that fails"
    monkeypatch.setattr(ports, "require_free", lambda *named: named)  # it was free by chance
    run("demo", "--desk")
    monkeypatch.delenv("LOA_HTTP_PORT")
    run("demo", "--desk")
    assert [one.http_port for one in opened] == [port, 0]


def test_a_ministry_keeps_its_port_and_says_when_another_process_has_it(
    tmp_path, monkeypatch, capsys
):
    opened = []

    async def run_desk(settings, kept, port):
        opened.append((settings.http_port, port))

    monkeypatch.setattr(demo, "_run_desk", run_desk)
    monkeypatch.setenv("LOA_DATA_DIR", str(tmp_path))
    own = next(port for port in iter(free_port, 0) if ports.are_free("127.0.0.1", port))
    kept_sample(tmp_path / "demo-desk", own)
    run("demo", "--desk")
    assert opened[-1] == (own, own) and not capsys.readouterr().err
    with socket.create_server(("127.0.0.1", own + SANDBOX_PORT_OFFSET)):
        run("demo", "--desk")
    used, kept = opened[-1]
    told = capsys.readouterr().err
    assert kept == own and used != own and str(own) in told and str(used) in told
    assert str(own + SANDBOX_PORT_OFFSET) in told, "the port that is taken"
    named = next(port for port in iter(free_port, own) if ports.are_free("127.0.0.1", port))
    monkeypatch.setenv("LOA_HTTP_PORT", str(named))
    run("demo", "--desk")
    assert opened[-1] == (named, named) and str(own) in capsys.readouterr().err


def test_a_demo_that_gets_no_answer_names_its_log(tmp_path, monkeypatch, capsys):
    async def run_demo(settings):
        await demo._poll_until(lambda: asyncio.sleep(0))

    monkeypatch.setattr(demo, "_run_demo", run_demo)
    monkeypatch.setattr(demo, "_TIMEOUT_S", 0.0)
    with pytest.raises(SystemExit) as ended:
        app(["demo", "--data", str(tmp_path / "demo")])
    assert ended.value.code == 1 and str(tmp_path / "demo" / "loa.log") in capsys.readouterr().err


def test_a_new_ministry_has_a_port_of_its_own(tmp_path, monkeypatch):
    opened = []

    async def run_desk(settings, kept, port):
        opened.append((settings.http_port, port))

    monkeypatch.setattr(demo, "_run_desk", run_desk)
    run("demo", "--desk", "--data", str(tmp_path / "demo"))
    used, kept = opened[-1]
    assert used == kept > 0


def test_what_a_ministry_keeps_is_written_whole_and_for_its_owner(tmp_path):
    file = tmp_path / demo.MARK_FILE
    sample = kept_sample(tmp_path / "demo", 8080)
    sample.write(file)
    assert KeptSample.read(file) == sample and file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.glob(".loa*")] == [file.name]


def run(*words: str) -> None:
    with pytest.raises(SystemExit) as ended:
        app([*words])
    assert ended.value.code in (0, None)


def test_a_new_folder_an_empty_one_and_a_demos_own_are_taken(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = tmp_path / "new" / "demo"
    demo.prepare_folder(folder)
    (folder / "nats").mkdir()
    (folder / "nats" / "old").touch()
    (folder / "loa.log").touch()
    (folder / "link").symlink_to(outside)
    demo.prepare_folder(folder)
    assert [path.name for path in folder.iterdir()] == [demo.MARK_FILE]
    assert (outside / "kept").exists(), "a link is removed, not followed"
    demo.prepare_folder(outside.with_name("empty"))
    assert (tmp_path / "empty" / demo.MARK_FILE).exists()
