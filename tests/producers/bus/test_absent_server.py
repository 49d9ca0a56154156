"""A server that is not there: named with its address, without a password, in both languages."""

import asyncio
import socket

import pytest
import structlog
import typer

from consumers.cli.output import explain_errors
from producers.bus import Bus, NoReply, connection, retry

URL = "nats://loa:bi-mat@{host}"


@pytest.fixture
def lookups(monkeypatch):
    """Names that DNS does not know."""

    def unknown(*_args, **_options):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)


@pytest.fixture(autouse=True)
def brief_attempts(monkeypatch):
    monkeypatch.setattr(connection, "_CONNECT_TIMEOUT_S", 0.1)


async def away(host: str, patience_s: float) -> NoReply:
    with pytest.raises(NoReply) as missing:
        await Bus.connect(URL.format(host=host), patience_s=patience_s)
    return missing.value


def told(error: NoReply, capsys) -> list[str]:
    with pytest.raises(typer.Exit) as code, explain_errors():
        raise error
    assert code.value.exit_code == 3
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("patience_s", [0.05, 0.3], ids=["before the first answer", "after"])
async def test_a_name_that_does_not_exist_is_named(lookups, capsys, patience_s):
    for line in told(await away("khong-co.invalid:4222", patience_s), capsys):
        assert "nats://khong-co.invalid:4222" in line and "LOA_NATS_URL" in line
        assert "bi-mat" not in line
        assert "no machine has the name" in line or "không có máy nào mang tên" in line


async def test_a_server_that_does_not_answer_is_named(capsys):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        en, vi = told(await away(host, 0.1), capsys)
    for line in (en, vi):
        assert f"nats://{host}" in line and "LOA_NATS_URL" in line
        assert "name" not in line and "mang tên" not in line


async def test_a_long_absence_is_summed_up(monkeypatch):
    monkeypatch.setattr(retry, "_FIRST_WAIT_S", 0.0)
    monkeypatch.setattr(retry, "_MAX_JITTER_S", 0.0)
    asked = 0

    async def ask():
        nonlocal asked
        asked += 1
        if asked <= 100:
            raise NoReply("no answer")

    with structlog.testing.capture_logs() as logs:
        await retry.retry_until(ask, 60.0, asyncio.Event())
    assert [line["attempt"] for line in logs] == [1, 2, 4, 8, 16, 32, 64]
