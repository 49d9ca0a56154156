"""The bus keeps out who has no credentials, or has them no longer."""

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from producers.access import Access
from producers.bus import AccessRefused, Bus, NoReply
from tests.support import requirements
from tests.support.loa_process import LoaProcess, wait_until
from tests.support.nats_jwt import Operator
from tests.support.ports import free_port
from tests.support.split_loa import Service
from tests.support.waiting import until

NOBODY = 65534


def as_another_user(work, *arguments):
    """Result of *work* in a process of an account without any right here."""
    reading, writing = os.pipe()
    if not (child := os.fork()):
        try:
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.write(writing, json.dumps(work(*arguments)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        answer = json.loads(said.read())
    os.waitpid(child, 0)
    return answer


def answer_to_connect(url):
    """Answer of the server to a client without credentials, after its greeting."""
    where = urlsplit(url)
    with socket.socket() as client:  # no name is looked up: that would import a module
        client.settimeout(60)
        client.connect((where.hostname, where.port))
        lines = client.makefile("rb")
        assert lines.readline().startswith(b"INFO")
        client.sendall(b'CONNECT {"verbose":false}\r\nPING\r\n')
        return lines.readline().decode()


def opened(path):
    try:
        return Path(path).read_text()
    except OSError as error:
        return type(error).__name__


@pytest.fixture
def loa(tmp_path):
    tmp_path.chmod(0o755)
    with LoaProcess(tmp_path) as loa:
        yield loa


def test_another_user_of_the_machine_gets_neither_in_nor_at_the_password(loa, tmp_path):
    requirements.met(os.geteuid() == 0, "needs root, to become another user")
    url, nats = loa.ready().nats_url, loa.data / "nats"
    files = [loa.data / "run" / "ready.json", nats / "nats.conf", nats / "bus.password"]
    assert "Authorization Violation" in as_another_user(answer_to_connect, url)
    assert [as_another_user(opened, str(path)) for path in files] == ["PermissionError"] * 3


def test_what_commands_and_services_say_never_has_the_password(loa):
    ready = loa.ready()
    password = ready.nats_url.split("@")[0].rpartition(":")[2]
    assert len(password) == 64 and (loa.data / "run" / "ready.json").stat().st_mode & 0o077 == 0
    loa.add_unit()
    joined = Service("feedback", loa.folder, loa.environ | {"LOA_HTTP_PORT": "0"})
    said = [loa.cli(*words.split()) for words in ("status", "status --json", "check", "units list")]
    assert all(one.exit_code == 0 for one in said), said
    assert joined.url
    lines = [one.out + one.err for one in said] + [loa.log(), joined.log.read_text()]
    shown = subprocess.run(["ps", "axeww"], capture_output=True, text=True, check=False).stdout
    assert joined.stop() == 0
    assert not [text for text in (*lines, shown) if password in text]
    assert repr(ready).count(password) == 0


def test_services_that_joined_go_on_when_loa_is_started_again_on_its_port(tmp_path):
    loa = LoaProcess(tmp_path, NATS_PORT=free_port())
    with loa:
        joined = Service("feedback", loa.folder, loa.environ | {"LOA_HTTP_PORT": "0"})
        assert joined.url
        first, before = loa.ready().nats_url, joined.log.read_text().count('"bus_connected"')
        loa.kill()
        assert loa.start().nats_url == first
        wait_until(
            lambda: joined.log.read_text().count('"bus_connected"') > before, "the joined service"
        )
        assert joined.logged("bus_refused") is None
        assert joined.stop() == 0


async def test_expired_credentials_are_told_each_minute_and_their_renewal_is_used(
    other_server, tmp_path, capsys
):
    operator, path = Operator(), tmp_path / "user.creds"
    settings = "jetstream { store_dir: STORE, sync_interval: always }\n" + operator.settings
    with other_server(settings) as server:
        access = Access(operator.write_credentials(path, 8))
        async with await Bus.connect(server.url, access=access, patience_s=5) as bus:
            await until(lambda: "bus_refused" in capsys.readouterr().out)
            async with asyncio.timeout(60):
                with pytest.raises(AccessRefused):
                    while True:  # in the second of the expiry the server still lets clients in
                        await (await Bus.connect(server.url, access=access, patience_s=5)).close()
            with pytest.raises(NoReply):
                await bus.connection.api_request("INFO", timeout_s=0.1)
            operator.write_credentials(path)
            assert await bus.connection.repeatable_api_request("INFO", patience_s=60)
