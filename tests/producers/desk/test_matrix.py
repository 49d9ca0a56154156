"""Every route of the desk with every role: the table of routes and `roles.toml` say who may."""

import tomllib
from collections import Counter
from pathlib import Path

import pytest
from starlette.routing import Route

from consumers.editorial.log import EditorialLog
from consumers.staff import policy
from contracts.editorial import Status
from producers.desk.rendering import desk_texts
from producers.desk.routes import ROUTES
from producers.desk.visit import PUBLIC, DeskRoute
from producers.desk.web_session import form_seal
from tests.lint.desk_routes import SIGNED_OUT, allowed_roles
from tests.support.desk_app import NO_ITEM, SEAL_KEY, DeskApp, heading, path_of
from tests.support.staffed_items import bring

ROLES_FILE = tomllib.loads(Path(policy.__file__).with_name("roles.toml").read_text("utf-8"))
ACTIONS, ROLES = ROLES_FILE["actions"], ROLES_FILE["roles"]
ALLOWED = allowed_roles()
"""The roles that reach each route, as docs/desk.md tells people: each cell is tried here."""
TEXTS = desk_texts()
TITLES = {name: page["title"] for name, page in TEXTS["page"].items()}
CHANGING = [route for route in ROUTES if route.method != "GET" and not route.from_server]


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
    assert ALLOWED.keys() == {(one.method, one.path) for one in ROUTES}, "docs/desk.md has them"
    without_seal = [one.path for one in ROUTES if one.from_server]
    assert without_seal == ["/oidc/dang-xuat"], "a browser proves itself with a seal"


async def ask(browser, route: DeskRoute, **form: str):
    """The answer to a form with a right seal, or to the address."""
    if route.method == "GET":
        return await browser.get(path_of(route))
    return await browser.post(path_of(route), **form)


async def stored(desk: DeskApp) -> list[int]:
    """How often accounts and units have changed."""
    return [await desk.bus.bucket(name).last_seq() for name in ("staff", "units")]


@pytest.mark.promise("15.1")
@pytest.mark.parametrize("role", [SIGNED_OUT, *ROLES])
async def test_a_role_reaches_its_routes_and_no_other(desk, role):
    """Each route is asked with a right seal, a session that counts, and nothing in its form."""
    if role != SIGNED_OUT:
        await desk.active("an", role)
    before, token = await stored(desk), ""
    async with desk.followed():
        for route in ROUTES:
            token = token or ("x" * 43 if role == SIGNED_OUT else await desk.session_of("an"))
            async with desk.browser(token) as browser:
                answer = await ask(browser, route)
            if role in ALLOWED[route.method, route.path]:
                assert is_reached(answer), route
                before, token = await stored(desk), ""  # what was reached may end a session
            else:
                assert_refused(role, route, answer)
    assert await stored(desk) == before
    proposals = await desk.bus.bucket("sessions").keys("proposal.")
    assert proposals == [] or "manage-people" in ROLES[role]["may"]


def assert_refused(role: str, route: DeskRoute, answer) -> None:
    if role == SIGNED_OUT and route.method == "GET":
        assert answer.status_code == 303 and answer.headers["location"].startswith("/dang-nhap"), (
            route
        )
        return
    title = TITLES["signed_out" if role == SIGNED_OUT else "not_allowed"]
    assert answer.status_code == 403 and title in answer.text, route


def who_reaches(route: DeskRoute) -> list[str]:
    return [role for role in ROLES if role in ALLOWED[route.method, route.path]]


@pytest.fixture
async def staffed(desk):
    """A desk at which each role has an account, named like it."""
    for role in ROLES:
        await desk.active(role, role)
    async with desk.followed():
        yield desk


@pytest.mark.promise("15.3")
async def test_no_form_counts_without_its_seal_whoever_may_send_it(staffed):
    tokens = {role: await staffed.session_of(role) for role in ROLES}
    before = await stored(staffed)
    for route in CHANGING:
        async with staffed.browser(tokens[who_reaches(route)[0]]) as browser:
            seal = form_seal(SEAL_KEY, browser.token, "/khac")
            fields = (
                {"files": {"seal": (None, seal)}} if route.takes_file else {"data": {"seal": seal}}
            )
            answer = await browser.client.post(path_of(route), headers=browser.headers, **fields)
            assert (answer.status_code, heading(answer)) == (403, TITLES["foreign"]), route
    assert await stored(staffed) == before


@pytest.mark.promise("15.1")
async def test_a_session_that_has_ended_reaches_nothing_whoever_had_it(staffed):
    tokens = {}
    for role in ROLES:
        tokens[role] = await staffed.session_of(role), await staffed.session_of(role)
    staffed.clock.advance(16 * 60)
    for _, ended in tokens.values():
        await staffed.sessions.end(ended)
    for route in ROUTES:
        if route.access != PUBLIC:
            for token in tokens[who_reaches(route)[0]]:
                async with staffed.browser(token) as browser:
                    assert_refused(SIGNED_OUT, route, await ask(browser, route))


async def accounts_and_units(desk: DeskApp):
    """State of both that acts change, without the time of an account's last use."""
    accounts = [
        (one.id, one.state, one.grants, one.generation) for one in await desk.accounts.all()
    ]
    return accounts, await desk.registry.registered_units()


@pytest.mark.promise("15.4")
async def test_what_asks_for_a_code_takes_neither_an_old_one_nor_a_wrong_one(staffed):
    before, asked = await accounts_and_units(staffed), TEXTS["title"]["step_up"]
    several = [one.path for one in CHANGING if len(one.actions) > 1]
    assert several == ["/tin/{content_id}/lien-ket"], "asks for no code: it changes no item"
    with_code = [one for one in CHANGING if ACTIONS.get(str(one.access), {}).get("step_up")]
    log = EditorialLog(staffed.bus)
    item = await bring(log, NO_ITEM, Status.PENDING_APPROVAL)
    form = {"act_id": "a" * 32, "hash": item.hash, "note": "Sai số liệu."}
    for route, role in ((one, role) for one in with_code for role in who_reaches(one)):
        async with staffed.browser(await staffed.session_of(role)) as browser:
            staffed.clock.advance(6 * 60)
            page = await ask(browser, route, **form)
            assert heading(page) == asked, (route, role)
            name = ACTIONS[str(route.access)]["vi"]
            assert f"<dd>{name[:1].upper()}{name[1:]}</dd>" in page.text, "what the code is for"
            told = f"<dd>{item.text.data['title']}</dd>" in page.text
            assert told is ("{content_id}" in route.path), (route, role)
            for code in ("000000", staffed.code(-20)):
                refused = await ask(browser, route, **form, code=code)
                assert refused.status_code in (403, 429), (route, role)
                assert heading(refused) == asked, (route, role)
    assert await accounts_and_units(staffed) == before
    assert (await log.read(NO_ITEM)).state == item
    async with staffed.browser(await staffed.session_of("lanh-dao-duyet")) as browser:
        await browser.post(f"/tin/{NO_ITEM}/duyet", **form)
    assert (await log.read(NO_ITEM)).state.status is Status.APPROVED, "but for the code, it counts"


def is_reached(answer) -> bool:
    """Whether the answer is the handler's, not the guard's."""
    refused = (TITLES[name] for name in ("not_allowed", "signed_out", "second_factor_missing"))
    is_sent_away = answer.headers.get("location", "").startswith("/dang-nhap")
    is_known = answer.status_code < 500
    return is_known and not is_sent_away and not any(title in answer.text for title in refused)
