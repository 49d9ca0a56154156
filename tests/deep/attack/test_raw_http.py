"""Raw requests to the real server: spoiled heads, foreign headers, and ways out of the folder."""

import re
import socket
import urllib.request
from collections import Counter
from itertools import product
from random import Random
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.support.fuzzing import INPUTS, Target, spoiled
from tests.support.loa_process import LoaProcess

PATIENCE_S = 60.0
SEED = 14
EVIL = "evil.example"
SECRET = "noi-dung-khong-cong-khai"
HEADERS = {
    *("accept-ranges", "allow", "cache-control", "connection", "content-encoding"),
    *("content-length", "content-security-policy", "content-type", "cross-origin-opener-policy"),
    *("cross-origin-resource-policy", "date", "etag", "keep-alive", "last-modified", "location"),
    *("permissions-policy", "referrer-policy", "retry-after", "server", "set-cookie"),
    *("strict-transport-security", "transfer-encoding", "upgrade", "vary", "www-authenticate"),
    *("x-content-type-options", "x-frame-options", "x-robots-tag", "link"),
}
"""The names of headers that an answer may have."""
PATHS = (
    "/",
    "/v1/events",
    "/v1/events/abc",
    "/docs",
    "/livez",
    "/tin/khong-co",
    "/tim?q=a",
    "/dang-ky",
    "/huy/abc",
    "/y-kien/tin-moi/",
    "/nguon-tin/tat-ca.rss",
    "/muc/tat-ca/",
)
SAMPLES = [
    f"{method} {path} HTTP/1.1\r\nHost: loa.example\r\nContent-Type: application/json\r\n"
    f"Content-Length: 2\r\n\r\n{{}}".encode()
    for method, path in product(("GET", "POST"), PATHS)
]
TOKENS = (
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: -1\r\n",
    b"Expect: 100-continue\r\n",
    b"Upgrade: websocket\r\n",
    b"Host: a\r\n",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"HTTP/2.0",
    b" HTTP/0.9",
    b"\r\n folded",
    b"Cookie: a=b\r\n",
    b"X: " + b"a" * 4000 + b"\r\n",
    b"Connection: close\r\n",
    b"Authorization: Bearer x\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)
BREAKS = (
    "%0d%0a",
    "%0a",
    "%0d",
    "%00",
    "%E2%80%A8",
    "%C2%85",
    "%E5%98%8D%E5%98%8A",
    "\x0b",
    "\t",
    "\\r\\n",
)
SPOOFED = (
    ("Host", EVIL),
    ("Host", f"loa.example@{EVIL}"),
    ("Host", f"{EVIL}:80/a"),
    ("Host", ""),
    ("X-Forwarded-Host", EVIL),
    ("X-Forwarded-Server", EVIL),
    ("X-Original-URL", f"//{EVIL}/"),
    ("X-Rewrite-URL", f"http://{EVIL}/"),
    ("Forwarded", f"host={EVIL};proto=https"),
    ("X-Forwarded-Proto", f"https://{EVIL}"),
    ("X-Forwarded-Prefix", f"//{EVIL}"),
    ("Referer", f"http://{EVIL}/"),
    ("Origin", f"http://{EVIL}"),
    ("X-HTTP-Method-Override", "DELETE"),
)
UPWARDS = (
    "../",
    "..%2f",
    "%2e%2e/",
    "%2e%2e%2f",
    "..%5c",
    "..\\",
    "%252e%252e%252f",
    "..;/",
    "....//",
    ".%2e/",
    "%c0%ae%c0%ae/",
    "%uff0e%uff0e/",
    "..%00/",
    "./../",
    "%2e/%2e%2e/",
)
GOALS = ("vault.key", "portal/state/bi-mat.txt", "state/bi-mat.txt", "run/ready.json", "etc/passwd")
STARTS = ("/", "/tin/", "/nguon-tin/", "/anh/", "/static/")


class Answer(NamedTuple):
    """The first answer on a connection; status 0 for none."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        return [value for one, value in self.headers if one == name]


def ask(address: tuple[str, int], request: bytes) -> Answer:
    """Send *request* as it is, then nothing more; read until the server closes."""
    with socket.create_connection(address, timeout=PATIENCE_S) as connection:
        received = b""
        try:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                received += part
        except (BrokenPipeError, ConnectionResetError):
            pass
    return parsed(received)


def parsed(received: bytes) -> Answer:
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = re.fullmatch(r"HTTP/1\.1 (\d{3}) ?.*", lines[0])
    if status and status[1] == "100":
        return parsed(body)
    pairs = [line.partition(":") for line in lines[1:]]
    headers = tuple((name.lower(), value.strip()) for name, _, value in pairs)
    return Answer(int(status[1]) if status else 0, headers, body)


def unexpected(answer: Answer) -> list[str]:
    """Forbidden parts of an answer: a foreign header, another site's address."""
    foreign = [name for name, _ in answer.headers if name not in HEADERS]
    return foreign + [value for value in answer.values("location") if EVIL in value]


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        (loa.data / "portal" / "state").mkdir(parents=True, exist_ok=True)
        (loa.data / "portal" / "state" / "bi-mat.txt").write_text(SECRET)
        yield loa


@pytest.fixture
def address(loa):
    parts = urlsplit(loa.ready().url)
    yield parts.hostname, parts.port
    with urllib.request.urlopen(f"{loa.ready().url}/livez", timeout=PATIENCE_S) as alive:
        assert alive.status == 200
    assert not loa.logged("http_failed")


def test_no_spoiled_head_ends_the_server_or_makes_it_fail(address):
    random, statuses = Random(SEED), Counter[int]()
    target = Target(lambda _: None, SAMPLES, TOKENS)
    for _ in range(INPUTS):
        request = spoiled(random, target)
        answer = ask(address, request)
        statuses[answer.status] += 1
        assert answer.status < 500 or answer.status == 503, f"{answer.status}: {request!r}"
        assert not unexpected(answer), f"{unexpected(answer)}: {request!r}"
    story = f"{INPUTS} heads: {dict(statuses)}"
    assert statuses.total() == INPUTS, story
    assert statuses[400] > INPUTS / 20, story
    assert statuses[200] > INPUTS / 100, story


def spoofed_requests() -> list[str]:
    """Requests that name another site in a header."""
    made = []
    for path, (name, value) in product(PATHS, SPOOFED):
        host = "" if name == "Host" else "Host: loa.example"
        made.append(f"GET {path} HTTP/1.1\r\n{name}: {value}\r\n{host}")
    return made


def broken_requests() -> list[str]:
    """Requests whose path or query tries to end a header of the answer."""
    tail = f"Location:http://{EVIL}/ HTTP/1.1\r\nHost: loa.example"
    leads = ("", "?a=", "/", "//")
    return [
        f"GET {path}{lead}{cut}X-Evil:{cut}{tail}"
        for path, lead, cut in product(PATHS, leads, BREAKS)
    ]


def test_no_header_comes_from_a_request(address):
    """500 tries with foreign hosts, forwarded names, and line breaks in paths and queries."""
    tries, found = [*spoofed_requests(), *broken_requests()], []
    for one in tries:
        answer = ask(address, f"{one.rstrip()}\r\nConnection: close\r\n\r\n".encode())
        if unexpected(answer) or answer.status >= 500:
            found.append((one, answer.status, unexpected(answer)))
    assert len(tries) >= 500
    assert not found, f"{len(tries)} tries, {len(found)} hits: {found[:3]}"


def test_no_path_leads_out_of_the_public_folder(loa, address):
    key = (loa.data / "vault.key").read_text()
    paths = [
        f"{start}{up * many}{goal}"
        for start, up, many, goal in product(STARTS, UPWARDS, (1, 3), GOALS)
    ]
    found = []
    for path in paths:
        answer = ask(
            address, f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
        )
        leaked = [one for one in (key, SECRET, "root:", "nats_url") if one.encode() in answer.body]
        if leaked or answer.status in (0, 200):
            found.append((path, answer.status, leaked))
    assert len(paths) >= 300
    assert not found, f"{len(paths)} paths, {len(found)} hits: {found[:3]}"
