"""`loa up` on ::1: each address that it tells has brackets, and answers."""

import socket
import urllib.request

import pytest

from tests.support.loa_process import LoaProcess

PATHS = {
    "url": "/livez",
    "desk": "/",
    "metrics": "/metrics",
    "zalo_sandbox": "/_sandbox/state",
}


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    hosts = dict.fromkeys(("HTTP_HOST", "DESK_HTTP_HOST", "METRICS_HOST", "BOUNCES_HOST"), "::1")
    ports = dict.fromkeys(("DESK_HTTP_PORT", "METRICS_PORT", "BOUNCES_PORT"), 0)
    folder = tmp_path_factory.mktemp("loa")
    with LoaProcess(folder, **hosts, **ports, EMAIL_BOUNCE_DOMAIN="tra-lai.example") as loa:
        yield loa


@pytest.mark.parametrize("name", PATHS)
def test_an_address_has_brackets_and_answers(loa, name):
    url = getattr(loa.ready(), name)
    assert url.startswith("http://[::1]:")
    with urllib.request.urlopen(f"{url}{PATHS[name]}", timeout=60) as answer:
        assert answer.status == 200


def test_returned_mail_is_taken(loa):
    host, _, port = loa.ready().bounces.rpartition(":")
    assert host == "[::1]"
    with socket.create_connection(("::1", int(port)), timeout=60) as link:
        assert link.recv(3) == b"220"


def test_commands_find_it(loa):
    assert loa.add_unit()
    told = loa.cli("doctor", "bus")
    assert told.exit_code == 0, told.out + told.err
