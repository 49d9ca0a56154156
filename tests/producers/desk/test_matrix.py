"""Every route of the desk with every role: the table of routes and `roles.toml` say who may."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from starlette.routing import Route

from consumers.staff import policy
from producers.desk.rendering import desk_texts
from producers.desk.routes import ROUTES
from producers.desk.visit import OWN, PUBLIC, DeskRoute
from tests.support.desk_app import DeskApp, path_of

ROLES_FILE = tomllib.loads(Path(policy.__file__).with_name("roles.toml").read_text("utf-8"))
ACTIONS, ROLES = ROLES_FILE["actions"], ROLES_FILE["roles"]
SIGNED_OUT = "signed out"
TITLES = {name: page["title"] for name, page in desk_texts()["page"].items()}

WANTED = {
    PUBLIC: {
        *("GET /dang-nhap", "POST /dang-nhap", "GET /kich-hoat", "POST /kich-hoat"),
        *("GET /oidc/vao", "GET /oidc/ve", "GET /oidc/xong", "POST /oidc/dang-xuat"),
    },
    OWN: {
        *("GET /", "GET /quyen", "POST /dang-xuat", "GET /tai-khoan", "POST /tai-khoan/mat-khau"),
        *("GET /tai-khoan/ung-dung", "POST /tai-khoan/ung-dung"),
        *("POST /tai-khoan/phien", "POST /tai-khoan/moi-phien", "POST /tai-khoan/thu"),
        *("GET /dong-lenh", "POST /dong-lenh", "POST /dong-lenh/dong-y"),
        *("POST /soan/dan", "POST /soan/doi", "POST /tai-khoan/thu"),
    },
    "disable-account": {"POST /nhan-su/{id}/khoa", "POST /don-vi/{unit}/thu-hoi"},
    ("edit-dead-letter", "operate", "read-drafts"): {
        *("GET /su-kien-loai", "GET /su-kien-loai/{id}"),
    },
    ("write", "read-drafts"): {"GET /tep/{hash}/{name}"},
    "edit-dead-letter": {"GET /su-kien-loai/{id}/sua", "POST /su-kien-loai/{id}/sua"},
    "operate": {
        *("POST /su-kien-loai/{id}/gui-lai", "POST /su-kien-loai/{id}/bo"),
        *("POST /van-hanh/{channel}/tam-dung", "POST /van-hanh/{channel}/chay-tiep"),
    },
    ("operate", "edit", "propose-urgent", "approve", "audit"): {"GET /van-hanh"},
    "read-drafts": {
        *("GET /tin", "GET /lich", "POST /tin/{content_id}/doi-gio"),
        *("GET /tin/{content_id}", "GET /tin/{content_id}/sua", "POST /tin/{content_id}/sua"),
        *("GET /tin/{content_id}/duyet", "POST /tin/{content_id}/tra-lai"),
        *("GET /tin/{content_id}/xem-truoc", "GET /tin/{content_id}/xem-truoc/khung"),
        *("POST /tin/{content_id}/gop-y", "GET /tin/{content_id}/se-toi-ai"),
    },
    "write": {
        *("GET /tin/moi", "POST /tin/moi", "POST /tin/{content_id}/gui"),
        *("POST /soan/{content_id}/giu-tam", "POST /soan/{content_id}/co-mat"),
        "POST /soan/{content_id}/bo-giu-tam",
        *("GET /tep", "POST /tep"),
    },
    ("read-drafts", "operate"): {
        *("GET /tin/{content_id}/dang-gui", "GET /tin/{content_id}/dang-gui/dong"),
    },
    "confirm": {"POST /tin/{content_id}/xac-nhan"},
    "edit": {"POST /tin/{content_id}/trinh"},
    "approve": {"POST /tin/{content_id}/duyet"},
    "reject": {"POST /tin/{content_id}/tu-choi"},
    "withdraw": {"POST /tin/{content_id}/go"},
    "audit": {
        *("GET /nhat-ky", "GET /nhat-ky/{log}/{id}"),
        *("GET /nhat-ky/doi-chieu", "POST /nhat-ky/doi-chieu"),
        *("GET /nhat-ky/trich-xuat", "POST /nhat-ky/trich-xuat"),
    },
}
"""Routes by access, a second time, so that a wrong cell of the table is seen; for all others:"""
ADMINISTRATION = "manage-people"


def may(role: str, route: DeskRoute) -> bool:
    """Whether the table and the roles file allow it."""
    if not route.actions:
        return route.access == PUBLIC or role != SIGNED_OUT
    return role != SIGNED_OUT and not ROLES[role].get("may", {}).keys().isdisjoint(route.actions)


def mounted_routes(app) -> Counter:
    """Each method and path that the app answers."""
    while not hasattr(app, "routes"):
        app = app.app
    pairs = [
        (method, route.path)
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods - {"HEAD"}
    ]
    return Counter(pair for pair in pairs if not pair[1].startswith("/tinh/"))


@pytest.mark.promise("15.1")
def test_every_route_has_an_access_that_exists_and_no_other_route_answers(desk):
    assert {action for route in ROUTES for action in route.actions} <= ACTIONS.keys()
    assert mounted_routes(desk.app) == Counter((one.method, one.path) for one in ROUTES)
    by_access = {one: access for access, routes in WANTED.items() for one in routes}
    assert [
        one
        for one in ROUTES
        if one.access != by_access.get(f"{one.method} {one.path}", ADMINISTRATION)
    ] == []
    without_seal = [one.path for one in ROUTES if one.from_server]
    assert without_seal == ["/oidc/dang-xuat"], "a browser proves itself with a seal"


async def stored(desk: DeskApp) -> list[int]:
    """How often accounts and units have changed."""
    return [await desk.bus.bucket(name).last_seq() for name in ("staff", "units")]


@pytest.mark.promise("15.1")
@pytest.mark.parametrize("role", [SIGNED_OUT, *ROLES])
async def test_a_role_reaches_its_routes_and_no_other(desk, role):
    """Each route is asked with a right seal, a session of its own, and nothing in its form."""
    if role != SIGNED_OUT:
        await desk.active("an", role)
    before = await stored(desk)
    for route in ROUTES:
        token = "x" * 43 if role == SIGNED_OUT else await desk.session_of("an")
        path = path_of(route)
        path = route.path.replace("{id}", "0" * 64).replace("{unit}", "van-phong-bo")
        path = path.replace("{content_id}", "khong-co")
        async with desk.browser(token) as browser:
            send = browser.get if route.method == "GET" else browser.post
            answer = await send(path)
        if may(role, route):
            assert is_reached(answer), route
            before = await stored(desk)
        else:
            assert_refused(role, route, answer)
    assert await stored(desk) == before
    proposals = await desk.bus.bucket("sessions").keys("proposal.")
    assert proposals == [] or "manage-people" in ROLES[role]["may"]


def assert_refused(role: str, route: DeskRoute, answer) -> None:
    if role == SIGNED_OUT and route.method == "GET":
        assert answer.status_code == 303 and answer.headers["location"] == "/dang-nhap", route
        return
    title = TITLES["signed_out" if role == SIGNED_OUT else "not_allowed"]
    assert answer.status_code == 403 and title in answer.text, route


def is_reached(answer) -> bool:
    """Whether the answer is the handler's, not the guard's."""
    refused = (TITLES[name] for name in ("not_allowed", "signed_out", "second_factor_missing"))
    is_sent_away = answer.headers.get("location") == "/dang-nhap"
    is_known = answer.status_code < 500
    return is_known and not is_sent_away and not any(title in answer.text for title in refused)
