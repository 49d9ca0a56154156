"""Every answer of the readers' pages is guarded, in words, and in the portal's colours."""

import re

import httpx2
from starlette.responses import PlainTextResponse

from design.frame import URGENT_SHEET
from producers.bus import NoReply
from producers.pages.rendering import PAGE_HEADERS
from producers.pages.signup import OPTIONS_PATH
from tests.support.clock import FakeClock
from tests.support.signup_app import NOON, SignupApp, browser, heading, serve_app, signup_form

__all__ = ["browser"]

HTTPS = "https://thong-bao.moha.example"


async def test_every_answer_is_guarded_and_kept_by_nobody(bus, tmp_path):
    paths = ["/dang-ky", "/dang-ky/khong-co", "/dang-ky/quan-ly", "/huy/sai", "/dang-ky/tuy-chon"]
    app = SignupApp(bus, tmp_path, FakeClock(NOON.timestamp()), HTTPS)
    async with app.client() as browser:
        for path in paths:
            answer = await browser.get(path)
            robots = {"X-Robots-Tag": "all"} if path == "/dang-ky" else {}
            expected = PAGE_HEADERS | robots
            assert {name: answer.headers[name] for name in expected} == expected
            assert answer.text.startswith('<!doctype html>\n<html lang="vi">')
            assert "<script" not in answer.text
            assert " style=" not in answer.text


async def test_a_slash_too_many_leads_to_the_page_and_nowhere_else(browser):
    answer = await browser.get("/dang-ky/", headers={"Host": "evil.example"})
    assert (answer.status_code, answer.headers["location"]) == (308, "/dang-ky")
    assert (await browser.get("/dang-ky/quan-ly/")).status_code == 404


async def test_where_a_request_came_from_is_believed_of_a_trusted_proxy_alone():
    async def echo(scope, receive, send):
        await PlainTextResponse(scope["client"][0])(scope, receive, send)

    said = {"X-Forwarded-For": "203.0.113.9"}
    for trusted, told in (("127.0.0.1,::1", "203.0.113.9"), ("10.0.0.0/8", "127.0.0.1")):
        async with serve_app(echo, trusted) as url, httpx2.AsyncClient(base_url=url) as proxy:
            assert (await proxy.get("/", headers=said)).text == told


async def test_pages_stand_below_the_public_addresss_own_path(bus, tmp_path):
    app = SignupApp(bus, tmp_path, FakeClock(NOON.timestamp()), "https://moha.example/loa")
    app.url = "https://moha.example"
    one = await app.subscribed()
    async with app.signed_in() as browser:
        paths = [
            "/dang-ky",
            f"/huy/{app.signer.token(one.id)}",
            f"{OPTIONS_PATH}/xoa",
            OPTIONS_PATH,
        ]
        pages = [(await browser.get(path)).text for path in paths]
    assert 'action="/loa/dang-ky"' in pages[0]
    assert [re.findall(r'(?:href|action)="/(?!loa/)', page) for page in pages] == [[]] * 4
    urgent = f'<link rel="stylesheet" href="/loa{URGENT_SHEET}">', "/loa/#tin-khan"
    assert [all(part in page for part in urgent) for page in pages] == [True] * 4


async def test_what_no_form_of_ours_sends_is_refused_in_words(browser):
    ours = "application/x-www-form-urlencoded"
    for body, kind, status in (
        (b"{}", "application/json", 415),
        (b"x" * 70_000, ours, 413),
        (b"a=%FF", ours, 400),
        (b"&".join(b"a=b" for _ in range(300)), ours, 400),
    ):
        answer = await browser.post("/dang-ky", content=body, headers={"Content-Type": kind})
        assert (answer.status_code, heading(answer)) == (status, "Chưa nhận được thông tin")
    assert (await browser.put("/dang-ky")).status_code == 405


async def test_who_hangs_up_in_the_middle_of_a_form_is_no_crash(signup_app):
    scope = {"type": "http", "method": "POST", "path": "/dang-ky", "query_string": b""}
    scope["headers"] = [(b"content-type", b"application/x-www-form-urlencoded")]
    said = iter([{"type": "http.request", "body": b"email=", "more_body": True}])

    async def receive():
        return next(said, {"type": "http.disconnect"})

    async def send(message):
        answered.append(message.get("status", 0))

    answered: list[int] = []
    await signup_app.app(scope, receive, send)
    assert answered[0] == 400


async def test_a_bus_that_is_away_is_said_and_nothing_is_claimed(signup_app, browser, monkeypatch):
    async def silent(*_: object, **__: object) -> None:
        raise NoReply("no answer")

    monkeypatch.setattr(type(signup_app.store.bucket), "get", silent)
    answer = await browser.post("/dang-ky", data=signup_form())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "10")
