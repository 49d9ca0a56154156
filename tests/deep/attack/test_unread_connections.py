"""Thousands of connections that are never read, beside a unit that sends events."""

import json
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.support.loa_process import LoaProcess, wait_until

PEERS, EVENTS = 2_000, 40
FEED = b"GET /nguon-tin/tat-ca.rss HTTP/1.1\r\nHost: loa\r\n\r\n"


def peer_that_does_not_read(address):
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(60)
    peer.connect(address)
    return peer


@pytest.fixture
def few_files():
    """1,024 files for what is started now; the process raises its own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2 * PEERS:
        pytest.skip("the system allows too few open files")
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_2_000_unread_connections_keep_no_event_out(tmp_path, few_files):
    with LoaProcess(tmp_path) as loa, ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (few_files, few_files))
        loa.add_unit()
        loa.publish("tin-dau", "portal", body="Nội dung " * 5_000)
        loa.trace_when_complete("tin-dau")
        url = urlsplit(loa.ready().url)
        for _ in range(PEERS):
            peer = stack.enter_context(peer_that_does_not_read((url.hostname, url.port)))
            peer.sendall(FEED * 100)
        accepted = [loa.publish(f"tin-{n}", "portal") for n in range(EVENTS)]
        assert len(set(accepted)) == EVENTS
        for event_id in accepted:
            assert loa.trace_of_event(event_id)["state"] == "released"
        dropped = wait_until(lambda: loa.logged("connections_dropped"), "dropped", 240)
        assert all("unread" in line for line in dropped)
        assert loa.request("/livez").status == 200


MILLION = """
import gc, json
from consumers.app import process
process._spare_collections()
before = gc.get_stats()[2]["collections"]
kept = [[number] for number in range(1_000_000)]
print(json.dumps([gc.get_stats()[2]["collections"] - before, gc.get_freeze_count()]))
"""


def test_what_thousands_of_connections_make_causes_no_full_collection():
    """By Python's own thresholds there are several, each of which stops the loop."""
    ran = subprocess.run(
        [sys.executable, "-c", MILLION], capture_output=True, text=True, check=True
    )
    collections, frozen = json.loads(ran.stdout)
    assert collections == 0 and frozen > 10_000
