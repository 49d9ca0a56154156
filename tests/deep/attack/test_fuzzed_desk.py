"""Every route of the desk with odd ids, queries, forms and files: none is an error of the desk.

Each route is asked by a person who reaches it, about an item and a dead letter that are there. The
names of a route's fields are those that its handler reads, and those of the forms and links that
lead to it. Of each route's cases some are tried in an order that a seed says: `LOA_FUZZ_SEED`, or
always the same.
"""

import html
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from random import Random
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
import structlog
from starlette.datastructures import ImmutableMultiDict

from consumers.dead_letters.store import DeadLetterStore
from contracts import envelope, subjects
from producers.desk import visit as visits
from producers.desk.items.pages import new_act_id
from producers.desk.rendering import desk_texts
from producers.desk.routes import ROUTES
from producers.desk.visit import DeskRoute
from producers.desk.web_session import form_seal
from tests.lint.desk_routes import SIGNED_OUT, allowed_roles
from tests.support.dead_letters import bury
from tests.support.desk_app import NO_ITEM, SEAL_KEY, Browser, DeskApp, path_of
from tests.support.desk_items import desk_text, save_draft
from tests.support.events import submitted

ODD = (
    *("*", ">", "a b", "..", "a.b.*", "A", "-", "0", "x" * 3000, "\x00", "\n", "é\u202e", "%", "'"),
    *("9" * 5000, "9" * 19, "-1", "1e9", "²", "recent.0.9999999999999999999.0", '"<b>', "{0}"),
    *("2026-13-40", "0001-01-01", "9999-12-31T23:59", "[" * 2000, "http://[::1", "\ud7ff\ufffe"),
)
ESCAPED = (*(quote(odd, safe="") for odd in ODD), "%ff", "%ed%a0%80")
"""As they stand in an address, and bytes there that are no text."""
FILES = (b"", b"%PDF-1.7", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\x00" * 9000)
SOUND = {"act_id": new_act_id(), "hash": desk_text().hash}
"""Without these an act on an item looks at no other field."""
FILE_FIELDS = ("tep", "docx")
ALLOWED = allowed_roles()
EACH = 20
"""Cases of one route in a run."""
KEPT = (
    *("CONTENT", "PUBLICATIONS", "DEAD", "EDITORIAL", subjects.UPLOADS.name),
    *(f"KV_{bucket}" for bucket in ("units", "staff", "subscribers")),
)
"""Streams to which nothing is added by a request that is refused, or that only reads.

Sessions, kept texts and what a reading remembers are written by such, too.
"""
CRASHED = desk_texts()["page"]["crashed"]["title"]
_FORM = re.compile(r'<form method="(?:post|get)" action="([^"?#]*)[^"]*"[^>]*>(.*?)</form>', re.S)
_NAME = re.compile(r'<(?:input|select|textarea|button)\b[^>]*\sname="([^"]*)"')
_LINK = re.compile(r'(?:href|action)="(/[^"?#]*)\?([^"#]*)')


class Case(NamedTuple):
    route: DeskRoute
    path: str
    form: Mapping[str, str] = {}
    file: tuple[str, str, bytes] | None = None


Names = Mapping[DeskRoute, set[str]]


def sound_path(route: DeskRoute) -> str:
    """An address of a route, whose item or dead letter no other route changes."""
    path, number = path_of(route).replace(NO_ITEM, item_of(route)), ROUTES.index(route)
    is_of_letter = path.startswith("/su-kien-loai")
    return path.replace("0" * 64, str(number + 1)) if is_of_letter else path


def item_of(route: DeskRoute) -> str:
    return f"tin-{ROUTES.index(route)}"


def cases(route: DeskRoute, names: set[str]) -> Iterator[Case]:
    """The route with each of its ids odd and the others sound, and with odd fields."""
    sound = sound_path(route)
    yield from odd_addresses(route, sound.split("/"))
    if route.method == "GET":
        for name in sorted(names):
            yield from (Case(route, f"{sound}?{name}={odd}") for odd in ESCAPED)
    else:
        for odd in ODD:
            yield Case(route, sound, dict.fromkeys(names, odd))
            yield from (Case(route, sound, {name: odd}) for name in sorted(names))
    if route.takes_file:
        odd_files = ((name, odd, one) for name in FILE_FIELDS for odd in ODD[:14] for one in FILES)
        yield from (Case(route, sound, {}, file) for file in odd_files)


def odd_addresses(route: DeskRoute, sound: list[str]) -> Iterator[Case]:
    for place, part in enumerate(route.path.split("/")):
        if part.startswith("{"):
            for odd in ESCAPED:
                yield Case(route, "/".join([*sound[:place], odd, *sound[place + 1 :]]))


def some_cases(route: DeskRoute, names: set[str], seed: int) -> list[Case]:
    found = [*cases(route, names)]
    return Random(f"{seed} {route.method} {route.path}").sample(found, min(EACH, len(found)))


# --- which fields a route has


class NotedForm(dict):
    """A form that notes which fields are asked for."""

    def __init__(self, fields: Mapping[str, list[str]], noted: set[str]) -> None:
        super().__init__(fields)
        self.noted = noted

    def get(self, name, default=None):
        self.noted.add(name)
        return super().get(name, default)

    def __getitem__(self, name):
        self.noted.add(name)
        return super().__getitem__(name)

    def __contains__(self, name):
        self.noted.add(name)
        return super().__contains__(name)


async def find_names(staffed: DeskApp, monkeypatch: pytest.MonkeyPatch) -> Names:
    """The fields of each route: what its handler reads, and what forms and links have for it."""
    names: dict[DeskRoute, set[str]] = defaultdict(set)
    noted = set[str]()
    with monkeypatch.context() as patched:
        note_fields(patched, noted)
        for _ in range(2):  # with the fields of the first time handlers read on
            for route in sorted(routes(), key=lambda one: one.method):
                noted.clear()
                async with staffed.browser(await token_of(staffed, route)) as browser:
                    fields = dict.fromkeys(names[route], "1")
                    page = await ask(browser, Case(route, as_address(route, fields), fields))
                names[route] |= noted - {"seal"}
                for path, found in shown_fields(page.text, sound_path(route)):
                    for other in routes_of(path):
                        names[other] |= found - {"seal"}
    return names


def note_fields(patched: pytest.MonkeyPatch, noted: set[str]) -> None:
    """Let each look into a query or a form be noted in *noted*."""
    read_form = visits.read_form

    async def noting(*request: Any) -> NotedForm:
        return NotedForm(await read_form(*request), noted)

    patched.setattr(visits, "read_form", noting)
    for look in ("get", "__getitem__", "__contains__", "getlist"):
        original = getattr(ImmutableMultiDict, look)

        def noted_look(self, name, *rest, original=original):
            noted.add(name)
            return original(self, name, *rest)

        patched.setattr(ImmutableMultiDict, look, noted_look, raising=False)


def as_address(route: DeskRoute, fields: Mapping[str, str]) -> str:
    query = "&".join(f"{quote(name)}={value}" for name, value in fields.items())
    return f"{sound_path(route)}?{query}" if route.method == "GET" else sound_path(route)


def shown_fields(page: str, own: str) -> Iterator[tuple[str, set[str]]]:
    """The addresses of a page's forms and links, each with its fields."""
    for action, form in _FORM.findall(page):
        yield action or own, {html.unescape(name) for name in _NAME.findall(form)}
    for path, query in _LINK.findall(page):
        yield path, {part.partition("=")[0] for part in html.unescape(query).split("&")}


def routes_of(path: str) -> list[DeskRoute]:
    return [one for one in routes() if re.fullmatch(re.sub(r"{\w+}", "[^/]+", one.path), path)]


def routes() -> list[DeskRoute]:
    return [one for one in ROUTES if not one.path.endswith("/dong")]  # streams do not end


# --- asking


@pytest.fixture
async def staffed(desk, bus, clock) -> DeskApp:
    """A desk with a draft and a dead letter for each route, and an account for each role."""
    for role in {*filter(None, map(visitor, ROUTES))}:
        await desk.active(role, role)
    for route in ROUTES:
        await save_draft(bus, clock, desk_text(), "some-account", item_of(route))
        await bury(DeadLetterStore(bus), envelope.to_structured(submitted(title="")))
    return desk


def visitor(route: DeskRoute) -> str:
    """A role that reaches the route; empty for one that takes no session."""
    return min(ALLOWED[route.method, route.path] - {SIGNED_OUT}, default="")


async def token_of(staffed: DeskApp, route: DeskRoute) -> str:
    return await staffed.session_of(visitor(route)) if visitor(route) else ""


async def ask(browser: Browser, case: Case) -> Any:
    if case.route.method == "GET":
        return await browser.get(case.path)
    seal = {"seal": form_seal(SEAL_KEY, browser.token, case.path)}
    files = None
    if case.route.takes_file:
        field, name, content = case.file or ("tep", "a.pdf", b"")
        files = {field: (name, content)}
    data, headers = {**SOUND, **case.form, **seal}, browser.headers
    return await browser.client.post(case.path, data=data, files=files, headers=headers)


async def state_of(staffed: DeskApp) -> set[tuple[str, int]]:
    infos = [await staffed.bus.stream_info(name) for name in KEPT]
    return {(info["config"]["name"], info["state"]["last_seq"]) for info in infos}


def crash_of(answer: Any) -> str:
    """Why an answer is an error of the desk; empty for one that is none."""
    if answer.status_code >= 500:
        return str(answer.status_code)
    shown = [one for one in (CRASHED, "Traceback (", "undefined") if one in answer.text]
    return ", ".join(shown)


async def try_route(staffed: DeskApp, route: DeskRoute, names: set[str], seed: int) -> list[str]:
    """Errors in the answers to a route's odd cases."""
    failed, before = [], await state_of(staffed)
    for number, case in enumerate(some_cases(route, names, seed)):
        if number % 5 == 0:  # the code is fresh, and no limit on requests is reached
            staffed.clock.advance(60)
            token = await token_of(staffed, route)
            before = await state_of(staffed)
        async with staffed.browser(token) as browser:
            wrong, may_change = await try_case(browser, case)
        after = await state_of(staffed)
        if after != before and not may_change:
            wrong = wrong or f"is no act, and added to {sorted(after - before)}"
        before = after
        failed += [f"{route.method} {case.path} {case.form} {case.file}: {wrong}"] if wrong else []
    return failed


async def try_case(browser: Browser, case: Case) -> tuple[str, bool]:
    """Error in an answer, and whether its request may have changed something."""
    try:
        answer = await ask(browser, case)
    except Exception as crash:  # noqa: BLE001 -- that is what is looked for
        return repr(crash), False
    return crash_of(answer), case.route.method == "POST" and answer.status_code < 400


def require_names(names: Names) -> None:
    """Those of constants, of forms and of links were found: else little is tried."""
    found = {f"{one.method} {one.path}": fields for one, fields in names.items()}
    assert found["GET /tin"] >= {"q", "trang-thai", "don-vi", "sau"}
    assert found["GET /nhat-ky"] >= {"nguoi", "viec", "doi-tuong", "tu", "den", "truoc"}
    assert found["POST /su-kien-loai/{id}/sua"] >= {"f.data.title", "reason", "agreed"}
    assert found["POST /tin/{content_id}/sua"] >= {"hash", "act_id", "title", "body", "not_before"}
    assert found["POST /tin/{content_id}/duyet"] >= {"hash", "act_id", "place", "clean"}


@pytest.mark.timeout(900)
async def test_no_odd_value_is_an_error_of_the_desk(staffed, monkeypatch):
    seed = int(os.environ.get("LOA_FUZZ_SEED", "1"))
    failed = []
    async with staffed.followed():
        names = await find_names(staffed, monkeypatch)
        require_names(names)
        with structlog.testing.capture_logs() as logged:
            for route in routes():
                failed += await try_route(staffed, route, names[route], seed)
    errors = [one for one in logged if one["log_level"] in ("error", "critical")]
    said = [f"LOA_FUZZ_SEED={seed}", *failed, *map(str, errors)]
    assert not (failed or errors), "\n".join(one[:600] for one in said)
