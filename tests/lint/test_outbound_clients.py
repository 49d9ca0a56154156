"""Every place from which the product connects to another host, with the reason why it may."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "design", "channels", "producers", "consumers")
CLIENTS = {
    *("ClientSession", "open_connection", "create_connection", "urlopen", "HTTPConnection"),
    *("HTTPSConnection", "getaddrinfo", "gethostbyname", "start_tls", "SMTP", "SMTP_SSL"),
    *("create_datagram_endpoint", "sock_connect", "connect_ex", "AsyncClient", "Resolver"),
    *("OTLPSpanExporter", "build_opener"),
}
_OPERATOR = "an address that the operator has set"
PLACES = {
    "channels/fetch/fetcher.py": "addresses of strangers: each is checked by the URL policy",
    "channels/fetch/webhook.py": "addresses that units name: each is checked by the URL policy",
    "channels/email/doctor/dns_client.py": "asks for records of the operator's domains",
    "channels/email/smtp/handshake.py": _OPERATOR,
    "channels/name_lookup.py": "asks for addresses only; the callers connect",
    "channels/portal/canary.py": _OPERATOR,
    "channels/portal/readback.py": _OPERATOR,
    "channels/portal/websub.py": _OPERATOR,
    "channels/zalo/client/transport.py": _OPERATOR,
    "consumers/app/wiring/zalo.py": "the sandbox of this machine",
    "consumers/app/wiring/tracing.py": _OPERATOR,
    "consumers/cli/demo.py": "the demo's own process",
    "consumers/doctor/network.py": _OPERATOR,
    "consumers/staff/oidc/http_client.py": _OPERATOR,
    "consumers/uploads/clamd.py": _OPERATOR,
    "producers/bus/monitoring_endpoint.py": "the monitoring port of the configured bus",
    "producers/conformance/one_host.py": "the Loa whose key the caller names",
}


def connecting_modules() -> Iterator[str]:
    """The modules that name a client of the network."""
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        names = {_called_name(node) for node in ast.walk(ast.parse(path.read_text()))}
        if names & CLIENTS:
            yield path.relative_to(ROOT).as_posix()


def _called_name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return getattr(node.func, "attr", getattr(node.func, "id", ""))


def test_every_place_that_connects_is_known():
    assert set(connecting_modules()) == PLACES.keys()
