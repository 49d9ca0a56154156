"""Requests that another page makes a browser send, for every route that changes something."""

import pytest

from producers.desk.rendering import desk_texts
from producers.desk.routes import ROUTES
from producers.desk.web_session import form_seal
from producers.pages.forms import FORM_BYTES
from tests.support.desk_app import DESK_URL, OWN_HEADERS, SEAL_KEY, heading, path_of

CHANGING = [route for route in ROUTES if route.method != "GET" and not route.from_server]
TEXTS = desk_texts()["page"]
FOREIGN, NOT_ALLOWED = (TEXTS[name]["title"] for name in ("foreign", "not_allowed"))
HEADERS = {
    "no origin": {"Sec-Fetch-Site": "same-origin"},
    "null origin": OWN_HEADERS | {"Origin": "null"},
    "foreign origin": OWN_HEADERS | {"Origin": "https://evil.example"},
    "origin with our name in it": OWN_HEADERS | {"Origin": f"{DESK_URL}.evil.example"},
    "plain http": OWN_HEADERS | {"Origin": DESK_URL.replace("https", "http")},
    "no fetch metadata": {"Origin": DESK_URL},
    "cross-site": OWN_HEADERS | {"Sec-Fetch-Site": "cross-site"},
    "same-site": OWN_HEADERS | {"Sec-Fetch-Site": "same-site"},
}


def refusals(route) -> list[tuple[int, str]]:
    """Who may not use a route is told so before a large form is read."""
    titles = [
        FOREIGN,
        *([NOT_ALLOWED] if route.takes_file or route.form_bytes > FORM_BYTES else []),
    ]
    return [(403, title) for title in titles]


async def changes(desk) -> list[int]:
    return [await desk.bus.bucket(name).last_seq() for name in ("staff", "units", "sessions")]


@pytest.mark.promise("15.3")
@pytest.mark.parametrize("headers", HEADERS.values(), ids=HEADERS)
async def test_no_other_page_sends_a_form_with_whatever_seal(desk, headers):
    async with desk.signed_in("an", "quan-tri-tai-khoan") as browser:
        before = await changes(desk)
        for route in CHANGING:
            seal = form_seal(SEAL_KEY, browser.token, path := path_of(route))
            answer = await browser.client.post(path, data={"seal": seal}, headers=headers)
            assert (answer.status_code, heading(answer)) == (403, FOREIGN), path
        assert await changes(desk) == before
        assert (await browser.get("/")).status_code == 200, "the session lives on"


@pytest.mark.promise("15.3")
async def test_no_seal_counts_but_that_of_this_session_and_this_form(desk):
    async with desk.signed_in("an", "quan-tri-tai-khoan") as browser:
        other, before = await desk.session_of("an"), await changes(desk)
        for route in CHANGING:
            path = path_of(route)
            seals = (
                "",
                "0" * 64,
                form_seal(SEAL_KEY, other, path),
                form_seal(SEAL_KEY, browser.token, "/"),
                form_seal(SEAL_KEY, browser.token, f"{path}/"),
                form_seal(b"another key", browser.token, path),
            )
            for form in ({}, *({"seal": seal} for seal in seals)):
                answer = await browser.client.post(
                    path, data=form or {"a": ""}, headers=OWN_HEADERS
                )
                assert (answer.status_code, heading(answer)) in refusals(route), (path, form)
        assert await changes(desk) == before


async def test_a_form_comes_as_a_form_alone(desk):
    async with desk.signed_in("an", "quan-tri-tai-khoan") as browser:
        for kind, body in (
            ("application/json", b'{"seal": "x"}'),
            ("text/plain", b"seal=x"),
            ("multipart/form-data; boundary=x", b"--x--"),
        ):
            headers = OWN_HEADERS | {"Content-Type": kind}
            answer = await browser.client.post("/dang-xuat", content=body, headers=headers)
            assert answer.status_code == 415
        large = b"seal=" + b"x" * (65 << 10)
        headers = OWN_HEADERS | {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await browser.client.post("/dang-xuat", content=large, headers=headers)
        assert answer.status_code == 413
        assert (await browser.get("/")).status_code == 200


async def test_a_page_under_another_address_is_told_the_right_one(desk):
    async with desk.signed_in("an", "quan-tri-tai-khoan") as browser:
        headers = OWN_HEADERS | {"Origin": "http://localhost:8100", "Host": "localhost:8100"}
        answer = await browser.client.post("/dang-xuat", data={"a": ""}, headers=headers)
        assert answer.status_code == 403 and heading(answer) == TEXTS["wrong_address"]["title"]
        assert f'href="{DESK_URL}/"' in answer.text and "LOA_DESK_URL" in answer.text
        assert (await browser.get("/")).status_code == 200, "the session lives on"


@pytest.mark.parametrize("path", ["/khong-co", "/nhan-su/khong-co", "/tin/khong-co"])
async def test_an_error_page_keeps_the_menu_and_leads_back(desk, path):
    async with desk.signed_in("an", "bien-tap-vien") as browser:
        answer = await browser.client.get(path, headers={"Referer": f"{DESK_URL}/lich?xem=tuan"})
    assert answer.status_code in (403, 404) and 'action="/dang-xuat"' in answer.text
    assert "<nav" in answer.text and 'href="/lich?xem=tuan"' in answer.text


async def test_an_error_page_leads_to_no_other_site_and_tells_a_stranger_nothing(desk):
    async with desk.browser() as browser:
        foreign = {"Referer": "https://evil.example/lich"}
        answer = await browser.client.get("/khong-co", headers=foreign)
    assert answer.status_code == 404 and "evil.example" not in answer.text
    assert "<nav" not in answer.text and "/dang-xuat" not in answer.text


async def test_reading_a_page_changes_nothing(desk):
    """No route that changes something answers GET, so no link or picture can act."""
    async with desk.signed_in("an", "quan-tri-tai-khoan") as browser:
        before = await changes(desk)
        for route in CHANGING:
            for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
                answer = await browser.client.request(method, path_of(route), headers=OWN_HEADERS)
                assert answer.status_code in (200, 303, 403, 404, 405), (method, route.path)
        assert await changes(desk) == before
