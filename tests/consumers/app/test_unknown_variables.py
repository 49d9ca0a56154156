"""An unknown variable is warned of by name, with the name that was meant, and no value."""

import os
import socket
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from channels.email.settings import EmailSettings
from consumers.app import instance, ports, unknown_variables
from consumers.app.settings import LoaSettings
from consumers.app.wiring import email as wiring_email
from consumers.cli.root import app
from consumers.runtime import log_config
from contracts.errors import Invalid

SECRET = "rat-bi-mat"


@pytest.fixture
def clean_environment(monkeypatch, tmp_path):
    """A folder of its own, and no variable of ours."""
    monkeypatch.chdir(tmp_path)
    for name in [one for one in os.environ if one.upper().startswith(unknown_variables.PREFIX)]:
        monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("written", "near"),
    [
        ("LOA_EMAIL_HOTS", "LOA_EMAIL_HOST"),
        ("LOA_MAIL_HOST", "LOA_EMAIL_HOST"),
        ("LOA_EMAIL_HOST_FILE", "LOA_EMAIL_HOST"),
        ("LOA_PUBLICURL", "LOA_PUBLIC_URL"),
        ("loa_bounce_port", "LOA_BOUNCES_PORT"),
        ("LOA_EMAIL_PASWORD_FILE", "LOA_EMAIL_PASSWORD_FILE"),
        ("LOA_XYZZY", ""),
    ],
)
def test_the_nearest_name_that_there_is_stands_beside_a_mistyped_one(written, near):
    known = ["LOA_EMAIL_FROM", "loa_email_host", "LOA_EMAIL_PASSWORD_FILE", "LOAD", "PATH"]
    known += ["LOA_URL", "LOA_API_KEY"]  # of the documents' commands
    assert unknown_variables.find_unknown([*known, written]) == [(written, near)]


def test_a_mistyped_variable_is_named_in_both_languages_and_logged_valueless(clean_environment):
    clean_environment.setenv("LOA_EMAIL_HOTS", SECRET)
    Path(".env").write_text(f"LOA_EMAIL_FORM={SECRET}\n")
    with structlog.testing.capture_logs() as logs:
        unknown_variables.warn_of_unknown()
    assert [(one["variable"], one["nearest"]) for one in logs] == [
        ("LOA_EMAIL_FORM", "LOA_EMAIL_FROM"),
        ("LOA_EMAIL_HOTS", "LOA_EMAIL_HOST"),
    ]
    said = unknown_variables.unknown_variables()
    assert [one.field for one in said] == ["LOA_EMAIL_FORM", "LOA_EMAIL_HOTS"]
    assert "LOA_EMAIL_HOST" in said[1].message and "LOA_EMAIL_HOST" in said[1].message_vi
    assert SECRET not in f"{logs}{said}"


@pytest.mark.parametrize(
    "order",
    [
        ("status",),
        ("doctor", "mail"),
        ("up",),
        ("run", "intake"),
        ("units", "list"),
        ("whoami",),
    ],
)
def test_every_command_says_so_before_it_begins(clean_environment, order, tmp_path):
    clean_environment.setenv("LOA_EMAIL_HOTS", SECRET)
    clean_environment.setenv("LOA_NATS_URL", "nats://127.0.0.1:1")
    clean_environment.setenv("LOA_EMAIL_CONNECTIONS", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        clean_environment.setenv("LOA_HTTP_PORT", str(taken.getsockname()[1]))
        clean_environment.setenv("LOA_DATA_DIR", str(tmp_path))
        if order[0] in ("status", "units", "whoami"):
            clean_environment.delenv("LOA_NATS_URL")
        # The configuration would outlive the test: loggers cache it at first use.
        clean_environment.setattr(log_config, "configure", lambda *_, **__: None)
        said = CliRunner().invoke(app, order)
    assert "LOA_EMAIL_HOTS: Loa knows no such variable" in said.stderr
    assert "LOA_EMAIL_HOTS: Loa không có biến này" in said.stderr
    assert SECRET not in said.output
    if order[0] in ("up", "run"):
        named = {"up": "LOA_EMAIL_CONNECTIONS: ", "run": "LOA_HTTP_PORT: 127.0.0.1:"}
        assert f"\n{named[order[0]]}" in said.stderr
        assert said.exit_code == {"up": 2, "run": 4}[order[0]], "a port may be free again"


@pytest.mark.parametrize(
    "words", ["status --json", "config check", "config show", "up", "run sweep"]
)
def test_a_dotenv_that_is_not_utf8_is_named_with_its_line(clean_environment, words, tmp_path):
    clean_environment.setenv("LOA_DATA_DIR", str(tmp_path / "data"))
    clean_environment.setattr(log_config, "configure", lambda *_, **__: None)
    lines = [b"# \xc4\x91\n"] * 3000
    Path(".env").write_bytes(b"".join([*lines, b"LOA_SITE_NAME=B\xe9 N\xf4i v\xf4\n"]))
    said = CliRunner().invoke(app, words.split())
    assert said.exit_code == 2 and isinstance(said.exception, SystemExit), said.exception
    about = [
        line for line in said.output.splitlines() if line.startswith((".env: ", "PROBLEM", "SAI"))
    ]
    assert len(about) == 2, said.output
    assert all("3001" in line and str(tmp_path / ".env") in line for line in about)
    assert not (tmp_path / "data").exists()


def deny(*_, **__):
    raise PermissionError(13, "Permission denied")


def deny_dotenv(path, encoding):
    return deny() if path.name == ".env" else path.read_bytes().decode(encoding)


def test_a_dotenv_that_cant_be_opened_is_named(clean_environment, tmp_path):
    clean_environment.setattr(Path, "read_text", deny_dotenv)
    Path(".env").touch()
    said = CliRunner().invoke(app, ("whoami",))
    assert said.exit_code == 2 and "\n.env: " in f"\n{said.stderr}", said.exception


@pytest.mark.parametrize(("error", "code"), [(OSError(28, "No space"), 4), (Invalid(), 2)])
def test_a_start_that_the_machine_refuses_may_be_tried_again(clean_environment, error, code):
    async def refuse(*_):
        raise error

    clean_environment.setattr(log_config, "configure", lambda *_, **__: None)
    clean_environment.setattr("consumers.app.process.run", refuse)
    assert CliRunner().invoke(app, ("run", "sweep")).exit_code == code


def test_every_variable_is_checked_before_anything_starts(clean_environment, tmp_path):
    wrong = {
        "LOA_EMAIL_PASSWORD_FILE": "/nope",
        "LOA_NATS_PASSWORD_FILE": str(tmp_path),
        "LOA_ZALO_CALLS_PER_S": "viele",
        "LOA_DIGEST_HOUR": "24",
        "LOA_DATA_DIR": str(tmp_path / "data"),
    }
    for name, value in wrong.items():
        clean_environment.setenv(name, value)
    clean_environment.setattr(log_config, "configure", lambda *_, **__: None)
    said = CliRunner().invoke(app, ("up",))
    assert said.exit_code == 2
    assert "LOA_NATS_PASSWORD_FILE: names a secret file" in said.stderr, "the machine's own first"
    clean_environment.delenv("LOA_NATS_PASSWORD_FILE")
    said = CliRunner().invoke(app, ("up",))
    for name in ("LOA_EMAIL_PASSWORD_FILE", "LOA_ZALO_CALLS_PER_S", "LOA_DIGEST_HOUR"):
        assert f"\n{name}: " in f"\n{said.stderr}"
    assert not (tmp_path / "data").exists()


def test_a_port_that_is_taken_is_blamed_on_its_variable_and_a_wrong_host_on_its_own():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for prefix, plus in (("LOA_BOUNCES", 0), ("LOA_HTTP", 10)):
            with (
                pytest.raises(Invalid) as refused,
                ports.blame_setting(prefix, "127.0.0.1", port, plus=plus),
            ):
                socket.create_server(("127.0.0.1", port))
            [fault] = refused.value.errors
            assert fault.field == f"{prefix}_PORT"
            assert f"{port}" in fault.message and "taken by another program" in fault.message
            assert "đang do chương trình khác dùng: " in fault.message_vi
            assert (f"{prefix}_PORT + 10" in fault.message) == bool(plus)
    with pytest.raises(Invalid) as refused, ports.blame_setting("LOA_BOUNCES", "192.0.2.1", 0):
        socket.create_server(("192.0.2.1", 0))
    assert [one.field for one in refused.value.errors] == ["LOA_BOUNCES_HOST"]
    with pytest.raises(FileNotFoundError), ports.blame_setting("LOA_HTTP", "127.0.0.1", 0):
        Path("/khong-co/gi").read_text()


async def test_the_embedded_servers_port_is_named_too(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = LoaSettings(data_dir=tmp_path, nats_port=taken.getsockname()[1])
        with pytest.raises(Invalid) as refused:
            async with instance.bus_server(settings):
                """Never reached."""
    assert [one.field for one in refused.value.errors] == ["LOA_NATS_PORT"]


async def test_the_bounce_listeners_port_is_named_too(clean_environment, tmp_path):
    class Node:
        email = EmailSettings(bounce_domain="tra-lai.moha.example")

        async def open_proven_key(self):
            """It is the right one."""

    with socket.create_server(("127.0.0.1", 0)) as taken:
        clean_environment.setenv("LOA_BOUNCES_PORT", str(taken.getsockname()[1]))
        clean_environment.setattr(wiring_email, "inbound_mailboxes", lambda _: [])
        with pytest.raises(Invalid) as refused:
            await wiring_email.add_bounces(Node())
    assert [one.field for one in refused.value.errors] == ["LOA_BOUNCES_PORT"]
