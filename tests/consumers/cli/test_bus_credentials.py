"""A command that the bus refuses says so at once, in both languages, and what to correct."""

from producers.access import Access
from producers.bus import Bus, topology
from tests.support.cli import InProcessCli

JETSTREAM = "jetstream { store_dir: STORE, max_file_store: 1TB }\n"
SERVER = "authorization { user: loa, password: mat-khau }"


def command(tmp_path, url, **variables):
    environ = {"LOA_NATS_URL": url, "LOA_DATA_DIR": str(tmp_path)}
    return InProcessCli(environ | {f"LOA_NATS_{name}": text for name, text in variables.items()})


async def test_refused_credentials_are_told_with_the_variable(other_server, tmp_path):
    with other_server(SERVER) as server:
        for variables, named in (
            ({}, "LOA_NATS_URL"),
            ({"PASSWORD": "doan-mo"}, "LOA_NATS_PASSWORD"),
        ):
            done = await command(tmp_path, server.url, **variables)("status")
            assert done.exit_code == 3
            assert f"{named}: the server refuses the credentials" in done.stderr
            assert f"{named}: máy chủ NATS từ chối thông tin xác thực" in done.stderr
            assert "doan-mo" not in done.output and "Traceback" not in done.output


async def test_a_password_from_a_file_is_let_in(other_server, tmp_path):
    (tmp_path / "password").write_text("mat-khau\n")
    with other_server(JETSTREAM + SERVER) as server:
        async with await Bus.connect(server.url, access=Access(password="mat-khau")) as bus:
            await topology.apply(bus)
        loa = command(tmp_path, server.url, PASSWORD_FILE=str(tmp_path / "password"))
        done = await loa("units", "list")
    assert done.exit_code == 0, done.output


async def test_credentials_that_cannot_be_used_are_wrong_input(tmp_path):
    (tmp_path / "user.creds").write_text("khóa")
    loa = command(tmp_path, "nats://127.0.0.1:1", CREDS_FILE=str(tmp_path / "user.creds"))
    done = await loa("status")
    assert done.exit_code == 2
    assert "LOA_NATS_CREDS_FILE: " in done.stderr and "chmod 600" in done.stderr
    assert "khóa" not in done.stderr.replace("thay khóa", "")


async def test_a_server_that_is_not_trusted_is_told(other_server, tmp_path):
    (tmp_path / "ca.pem").write_text("")
    with other_server(SERVER) as server:
        loa = command(tmp_path, server.url.replace("nats:", "tls:"), PASSWORD="mat-khau")
        done = await loa("status")
    assert done.exit_code == 3
    assert "does not offer TLS" in done.stderr and "không xác minh được máy chủ NATS" in done.stderr
