"""A portal's folder that hangs, as a share of a dead server does: all else works, also a stop.

A page that is a FIFO without a writer blocks each thread that opens it, until the test ends.
"""

import os
import socket

import pytest

from tests.support.loa_process import LoaProcess

HANGING = 48
"""More than the threads that Python's and Starlette's executors have by default."""


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.add_unit()
        loa.readers(1)
        yield loa


def hang(loa, content_id: str) -> list[socket.socket]:
    """Let the page of *content_id* hang, and many readers who wait for it."""
    page = loa.data / "portal" / "public" / "tin" / content_id / "index.html"
    page.unlink()
    os.mkfifo(page)
    url = loa.ready().url
    host, port = url.removeprefix("http://").split(":")
    readers = [socket.create_connection((host, int(port))) for _ in range(HANGING)]
    for reader in readers:
        reader.sendall(f"GET /tin/{content_id} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    return readers


def test_a_portal_folder_that_hangs_stops_nothing_else_and_no_stop(loa):
    loa.publish("tin-1", "portal")
    loa.trace_when_complete("tin-1")
    readers = hang(loa, "tin-1")
    assert loa.page_status("/dang-ky") == 200, "another face of the same process"
    loa.publish("tin-2", "email")
    assert loa.trace_when_complete("tin-2")["channels"]["email"]["delivered"] == 1
    assert loa.request("/readyz").status == 200
    assert loa.stop() == 1
    [told] = loa.logged("stop_cut_short")
    assert any(name.startswith("portal-file") for name in told["threads"])
    for reader in readers:
        reader.close()
