"""Every route of the desk with odd ids, queries and form values: none is an error of the desk.

Each route is asked by a person who reaches it, about an item that is there. Of a route's cases some
are tried; the address seeds which, so every run has the same ones.
"""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple
from urllib.parse import quote

import pytest

from producers.desk.routes import ROUTES
from producers.desk.visit import DeskRoute
from tests.lint.desk_routes import SIGNED_OUT, allowed_roles
from tests.support.desk_app import Browser, DeskApp, path_of
from tests.support.desk_items import desk_text, save_draft
from tests.support.events import ITEM

ODD = (
    *("*", ">", "a b", "..", "a.b.*", "A", "-", "0", "x" * 3000, "\x00", "\n", "é\u202e", "%", "'"),
    *("9" * 5000, "9" * 19, "-1", "1e9", "²", "recent.0.9999999999999999999.0", '"<b>'),
)
ESCAPED = (*(quote(odd, safe="") for odd in ODD), "%ff", "%ed%a0%80")
"""As they stand in an address, and bytes there that are no text."""
QUERY = (
    *("ban", "nguoi-nhan", "so-voi", "ngay", "xong", "sau", "q", "thang", "trang-thai", "don-vi"),
    *("chu-de", "kenh", "lan", "tu", "den", "giu-tam", "kieu", "phan", "tiep", "login", "tu-tai"),
)
FORM = (
    *("ban", "place", "hash", "act_id", "not_before", "expires_at", "reject_code", "used", "login"),
    *("roles", "body", "channels", "topic", "unit", "lane", "cover.url", "links.0.url", "lan-bam"),
)
ALLOWED = allowed_roles()
EACH = 8
"""Cases of one route."""


class Case(NamedTuple):
    route: DeskRoute
    path: str
    form: dict[str, str]


def cases(route: DeskRoute) -> Iterator[Case]:
    """The route with each of its ids odd and the others sound, and with odd fields."""
    sound = path_of(route).replace("khong-co", ITEM)
    parts = route.path.split("/")
    for place, part in enumerate(parts):
        if part.startswith("{"):
            for odd in ESCAPED:
                told = [*sound.split("/")]
                told[place] = odd
                yield Case(route, "/".join(told), {})
    if route.method == "GET":
        for name in QUERY:
            yield from (Case(route, f"{sound}?{name}={odd}", {}) for odd in ESCAPED)
    else:
        for odd in ODD:
            yield Case(route, sound, dict.fromkeys(FORM, odd))
            yield from (Case(route, sound, {name: odd}) for name in FORM)


def some_cases(route: DeskRoute) -> list[Case]:
    found = [*cases(route)]
    return Random(f"{route.method} {route.path}").sample(found, min(EACH, len(found)))


@pytest.fixture
async def staffed(desk, bus, clock) -> DeskApp:
    """A desk with a draft, and an account for each role that the routes need."""
    for role in {*filter(None, map(visitor, ROUTES))}:
        await desk.active(role, role)
    await save_draft(bus, clock, desk_text(), "some-account")
    return desk


def visitor(route: DeskRoute) -> str:
    """A role that reaches the route; empty for one that takes no session."""
    return min(ALLOWED[route.method, route.path] - {SIGNED_OUT}, default="")


async def test_no_odd_value_is_an_error_of_the_desk(staffed):
    failed = []
    async with staffed.followed():
        for route in ROUTES:
            if route.path.endswith("/dong"):  # a stream, which does not end
                continue
            token = await staffed.session_of(visitor(route)) if visitor(route) else ""
            async with staffed.browser(token) as browser:
                for case in some_cases(route):
                    staffed.clock.advance(60)  # no limit on requests is reached
                    if await fails(browser, case):
                        failed.append(case)
    assert failed == []


async def fails(browser: Browser, case: Case) -> bool:
    ask = browser.get if case.route.method == "GET" else browser.post
    answer = await ask(case.path, **case.form)
    return answer.status_code >= 500
