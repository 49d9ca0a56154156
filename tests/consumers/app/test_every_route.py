"""Every route of every app: no redirect to the request's Host, and every answer is guarded."""

import asyncio
import re
import shutil
from contextlib import asynccontextmanager
from datetime import date
from types import SimpleNamespace

import httpx2
import pytest
from starlette.routing import Route

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.devmailbox.web import mailbox_app
from channels.portal.http import file_cache
from channels.portal.http.file_app import portal_app
from channels.portal.http.search_app import SEARCH_SEGMENT, search_app
from channels.portal.http.security_txt import PATH_HEAD, SecurityContact, security_txt_app
from channels.portal.model.site import Site
from channels.zalo.webhook import endpoint
from consumers.app.web.connection_limits import ConnectionLimits
from consumers.app.web.health import health_app
from consumers.app.web.server import AppRouter
from contracts.base.security_headers import HSTS_WITH_SUBDOMAINS, SECURITY_HEADERS
from contracts.vocabulary import DEFAULT
from design.settings import SiteIdentity
from producers.desk.rendering import DeskPages
from producers.desk.routes import ROUTES
from producers.gateway import add_docs_page, create_gateway
from producers.pages.reactions import REACTIONS_PATH, create_reactions
from producers.pages.rendering import Renderer
from sandbox.zalo.routes import ROUTES as SANDBOX_ROUTES
from tests.consumers.app.test_protocol import let_time_end, serving
from tests.support.desk_app import DeskApp
from tests.support.portal_dir import publish
from tests.support.publications import a_publication
from tests.support.signup_app import SignupApp
from tests.support.zalo_webhook import SIGNING

EVIL = "evil.example"
PUBLIC = "https://tin.example.gov.vn"
HEADERS = {
    "x-content-type-options": "nosniff",
    "strict-transport-security": "max-age=31536000",
    "referrer-policy": None,
    "permissions-policy": SECURITY_HEADERS["Permissions-Policy"],
    "content-security-policy": None,
}


def assert_guarded(headers, where, wanted=HEADERS):
    """Each header is there once, with its one value if it has one."""
    for name, value in wanted.items():
        given = headers.get_list(name)
        assert len(given) == 1 and value in (None, *given), (where, name, given)
    policy = dict(
        part.partition(" ")[::2] for part in headers["content-security-policy"].split("; ")
    )
    assert policy["default-src"] == policy["base-uri"] == "'none'", where
    assert policy["frame-ancestors"] in ("'none'", "'self'"), where


async def released(_):
    return "released"


async def crashing(scope, receive, send):
    raise RuntimeError("a defect")


def all_apps(bus, clock, folder):
    """Each app with the heads of its paths; none for the portal."""
    publish(folder, a_publication())
    (folder / "mail").mkdir()
    pages = SignupApp(bus, folder, clock, PUBLIC)
    contact = SecurityContact(["mailto:bao-mat@example.gov.vn"], date(2100, 1, 1))
    site = Site(PUBLIC, DEFAULT)
    gateway = create_gateway(bus, DEFAULT, clock)
    add_docs_page(gateway, SiteIdentity())
    return [
        (portal_app(folder), ()),
        (search_app(folder, site), (SEARCH_SEGMENT,)),
        (security_txt_app(contact, PUBLIC, clock), (PATH_HEAD,)),
        (gateway, ("v1", "docs", "openapi.json")),
        (pages.app, ("dang-ky", "huy")),
        (create_reactions(bus, released, Renderer(PUBLIC, DEFAULT), clock), (REACTIONS_PATH,)),
        (health_app({}), ("livez", "readyz")),
        (mailbox_app(MailFolder(folder / "mail")), ("hop-thu-thu",)),
        (endpoint.create_app(released, SIGNING), ("zalo",)),
        (crashing, ("hong",)),
    ]


def routes_of(app):
    """The paths of an app's routes, with something in place of each parameter."""
    inner = app
    while not hasattr(inner, "routes") and hasattr(inner, "app"):
        inner = inner.app
    found = [route for route in getattr(inner, "routes", []) if isinstance(route, Route)]
    return [re.sub(r"\{[^}]*\}", "xyz", route.path) for route in found]


@asynccontextmanager
async def visitor(faces):
    transport = httpx2.ASGITransport(faces, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url=PUBLIC) as client:
        yield client


@pytest.fixture
def served(bus, clock, tmp_path):
    faces, paths = AppRouter(), ["/", "/khong-co", "/nguon-tin/tat-ca.rss", "//", "/hong"]
    for app, heads in all_apps(bus, clock, tmp_path):
        faces.add(app, *heads)
        own = routes_of(app)
        paths += [*own, *(f"/{head}/khong/co" for head in heads)]
    faces.require_https()
    return SimpleNamespace(faces=faces, paths=sorted(set(paths)))


async def test_no_answer_of_any_route_leads_to_the_host_or_lacks_a_guard(served):
    assert len(served.paths) > 40
    seen = set()
    async with visitor(served.faces) as client:
        for path in served.paths:
            for variant in (path, path.rstrip("/") + "/", path + "//"):
                for method in ("GET", "POST", "OPTIONS"):
                    answer = await client.request(method, PUBLIC + variant, headers={"Host": EVIL})
                    where = (method, variant, answer.status_code)
                    assert EVIL not in str(answer.headers), where
                    assert answer.status_code != 307 and "defect" not in answer.text, where
                    assert_guarded(answer.headers, where)
                    seen.add(answer.status_code)
    assert {200, 303, 404, 405, 500} <= seen


WEBHOOK = b"POST /zalo/webhook HTTP/1.1\r\nHost: loa\r\nContent-Length: 20000\r\n\r\n"
FILE = b"GET /tin/a HTTP/1.1\r\nHost: loa\r\n\r\n"
REFUSED = {
    "not http": (b"nonsense\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "a slow head": (b"GET / HTTP/1.1\r\nHost: loa\r\n", 400),
    "a large body": (WEBHOOK + b"a" * 20_000, 413),
    "a method of no route": (b"POST /livez HTTP/1.1\r\nHost: loa\r\n\r\n", 405),
    "a defect": (b"GET /hong HTTP/1.1\r\nHost: loa\r\n\r\n", 500),
}


async def test_a_refusal_over_the_wire_is_guarded_too(served, tmp_path):
    async with serving(served.faces) as (server, address):
        for name, (request, status) in REFUSED.items():
            refused = asyncio.create_task(refusal(address, request))
            if name == "a slow head":
                await let_time_end(server, request)
            assert await refused == status, name
        shutil.rmtree(tmp_path / "public")
        assert await refusal(address, FILE) == 503


async def test_a_connection_too_many_is_guarded_too(served):
    async with serving(served.faces, ConnectionLimits(most=0)) as (_, address):
        assert await refusal(address, b"") == 503


async def refusal(address, request):
    """The status of an answer, whose headers are checked."""
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    writer.close()
    await asyncio.wait([asyncio.ensure_future(writer.wait_closed())])
    first, *lines = head.split("\r\n")[:-2]
    assert_guarded(httpx2.Headers([tuple(line.split(": ", 1)) for line in lines]), first)
    return int(first.split()[1])


async def test_every_answer_of_the_desk_is_guarded(bus, clock):
    faces = AppRouter()
    faces.add(DeskApp(bus, clock, PUBLIC).app)
    faces.require_https(HSTS_WITH_SUBDOMAINS)
    wanted = {**HEADERS, "strict-transport-security": "max-age=31536000; includeSubDomains"}
    seen = set()
    async with visitor(faces) as client:
        for path in ("/khong-co", DeskPages().frame.css, *{route.path for route in ROUTES}):
            for method in ("GET", "POST", "PUT"):
                answer = await client.request(method, path.replace("{", "").replace("}", ""))
                assert_guarded(answer.headers, (method, path), wanted)
                seen.add(answer.status_code)
    assert {200, 303, 403, 404, 405} <= seen


async def test_every_answer_of_the_zalo_sandbox_is_guarded(sandbox_client):
    wanted = {name: HEADERS[name] for name in HEADERS if name != "strict-transport-security"}
    seen = set()
    for path in ("/khong-co", *{str(route.path) for route in SANDBOX_ROUTES}):
        for method in ("GET", "POST", "PUT"):
            async with sandbox_client.http.request(
                method, path.format(user_id="ai", name="sai")
            ) as answer:
                headers = httpx2.Headers([*answer.headers.items()])
                assert_guarded(headers, (method, path), wanted)
                seen.add(answer.status)
    assert {200, 404} <= seen


async def test_no_route_answers_trace(served):
    async with visitor(served.faces) as client:
        for path in served.paths:
            answer = await client.request("TRACE", path, headers={"Cookie": "a=echo"})
            assert answer.status_code >= 400 and "echo" not in answer.text, path


async def test_the_prepared_answer_of_a_file_is_guarded_as_well(served, monkeypatch):
    monkeypatch.setattr(file_cache, "FRESH_S", 600.0)
    scope = {"type": "http", "method": "GET", "path": "/nguon-tin/tat-ca.rss", "headers": []}
    assert served.faces.at_once(scope) is None  # not in memory yet
    async with visitor(served.faces) as client:
        await client.get(scope["path"])
    head, _ = served.faces.at_once(scope)
    lines = head.decode().lower().split("\r\n")
    assert lines[-1] == ""
    names = [line.partition(":")[0] for line in lines[1:-1]]
    assert [names.count(name) for name in HEADERS] == [1] * len(HEADERS)


async def test_without_https_no_browser_is_told_to_come_by_https(served):
    faces = AppRouter()
    faces.add(health_app({}), "livez")
    async with visitor(faces) as client:
        assert "strict-transport-security" not in (await client.get("/livez")).headers


async def test_security_txt_names_the_contact_until_it_expires(clock):
    contact = SecurityContact(["mailto:a@example.gov.vn", "https://x.example/b"], date(2100, 1, 1))
    async with visitor(security_txt_app(contact, PUBLIC, clock)) as client:
        answer = await client.get("/.well-known/security.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.splitlines() == [
        "Contact: mailto:a@example.gov.vn",
        "Contact: https://x.example/b",
        "Expires: 2100-01-01T00:00:00Z",
        "Preferred-Languages: vi, en",
        f"Canonical: {PUBLIC}/.well-known/security.txt",
    ]
    old = SecurityContact(contact.contacts, date(2001, 1, 1))
    async with visitor(security_txt_app(old, PUBLIC, clock)) as client:
        assert (await client.get("/.well-known/security.txt")).status_code == 404
