"""A DNS server that is silent for one name holds up neither other names nor anything else."""

import asyncio
import socket
import threading

import pytest

from channels.email.settings import EmailSettings, Tls
from channels.email.smtp import pool
from channels.email.smtp.pool import ConnectionPool
from channels.errors import Unreachable
from channels.name_lookup import look_up
from tests.support.smtp_receiver import SmtpReceiver

PLAIN = {"tls": Tls.NONE, "from_": "tin@moha.example"}
SLOW, KNOWN = "cham.example", "nhanh.example"


class Dns:
    """Names by a table; the slow one is answered when `answers` is set."""

    def __init__(self) -> None:
        self.answers, self.asked = threading.Event(), []
        self.known = socket.getaddrinfo

    def __call__(self, host, port, *args, **options):
        self.asked.append(host)
        if host == SLOW:
            self.answers.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return self.known("127.0.0.1" if host == KNOWN else host, port, *args, **options)


@pytest.fixture
def dns(monkeypatch):
    dns = Dns()
    monkeypatch.setattr(socket, "getaddrinfo", dns)
    yield dns
    dns.answers.set()


async def test_one_name_is_looked_up_once_for_all_who_wait(dns):
    waiting = [asyncio.create_task(look_up(SLOW, 25)) for _ in range(40)]
    async with asyncio.timeout(5):
        assert [address[:2] for *_, address in await look_up(KNOWN, 25)] == [("127.0.0.1", 25)]
        assert await asyncio.to_thread(lambda: "a thread is free") == "a thread is free"
    waiting.pop().cancel()
    dns.answers.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(one) for one in results} == {socket.gaierror}
    assert dns.asked.count(SLOW) == 1
    with pytest.raises(socket.gaierror):
        await look_up(SLOW, 25)
    assert dns.asked.count(SLOW) == 2, "a failure is not kept"


async def test_the_second_relay_takes_over_while_the_name_of_the_first_is_looked_up(
    dns, monkeypatch
):
    monkeypatch.setattr(pool, "_OPEN_TIMEOUT_S", 0.2)
    async with SmtpReceiver() as second, asyncio.timeout(10):
        fallback = {"fallback_host": KNOWN, "fallback_port": second.port, "fallback_tls": Tls.NONE}
        settings = EmailSettings(host=SLOW, **PLAIN, **fallback, connections=16)
        relays = ConnectionPool(settings, 5.0)
        opened = await asyncio.gather(*(relays.acquire() for _ in range(16)))
        assert second.connected == 16
        for connection, _ in opened:
            connection.close()


async def test_a_name_that_is_none_is_unreachable():
    relays = ConnectionPool(EmailSettings(host="a" * 70 + ".example", **PLAIN), 5.0)
    with pytest.raises(Unreachable, match="no connection"):
        await relays.acquire()
