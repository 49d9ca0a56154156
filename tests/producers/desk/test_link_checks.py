"""Links of a text are asked on demand; the page shows the result of each beside the text."""

import re

import pytest
from aiohttp import web

from channels.fetch.errors import FetchReason
from contracts.desk.checks.links import HOST_LINKS_MAX, LINKS_MAX
from producers.desk.editor.conversion import editor_texts
from producers.desk.editor.links import find_links
from tests.producers.desk.test_items import TEXT
from tests.support.desk_app import PORTAL_URL
from tests.support.newsroom import open_newsroom
from tests.support.picture_server import open_picture_server

NEVER_RAISED = {
    *(FetchReason.MEDIA_TYPE, FetchReason.PACKED, FetchReason.TOO_LARGE),
    *(FetchReason.CUT_SHORT, FetchReason.UNENCRYPTED),
}
"""Reasons of who reads an answer."""
SAID = editor_texts()["links"]
WHY = SAID["why"]


@pytest.fixture
async def server(desk):
    async with open_picture_server() as opened:
        desk.links.probe.policy = opened.gate()
        opened.serve("/co", b"x")
        yield opened


def test_the_links_of_a_text_are_those_that_readers_could_follow():
    body = (
        "[a](https://a.vn/1) <https://b.vn/> ![x](https://c.vn/x.png) xem https://d.vn/y.\n\n"
        f"| [a](https://a.vn/1) |\n| - |\n\n[b](mailto:a@b.vn) [c](/tin/x) [d]({PORTAL_URL}/x)\n\n"
        "`https://e.vn`"
    )
    given = {"body": body, "cover": {"url": "https://f.vn/a.png"}, "links": [{"url": "https://g"}]}
    found = find_links(given, PORTAL_URL)
    assert found == (
        *("https://f.vn/a.png", "https://g", "https://a.vn/1", "https://b.vn/"),
        *("https://c.vn/x.png", "https://d.vn/y"),
    )


def test_each_reason_has_words():
    assert set(WHY) == {one.code for one in FetchReason if one not in NEVER_RAISED}


async def test_the_links_of_a_form_are_asked_once_each_and_it_is_saved_all_the_same(desk, server):
    gone, inner = server.url("/mat"), "http://10.0.0.1/"
    body = f"[còn]({server.url('/co')}) [mất]({gone}) [mất]({gone}#a) [trong]({inner})"
    async with desk.signed_in("an", "nguoi-gui-tin") as officer:
        typed = TEXT | {"body": body}
        page = await officer.get("/soan-moi")
        assert server.request_counts == {}
        done = await officer.post("/soan/-/lien-ket", **typed)
        page = await officer.get(done.headers["location"])
        assert server.request_counts == {"/co": 1, "/mat": 2}, "HEAD, then GET, of one page"
        assert WHY["not_public"] in page.text and "4/4" in page.text
        [said] = re.findall(f"<li>[^<]*{gone} .*?</li>", page.text)
        assert WHY["status"].format(detail="404") in said
        saved = await officer.submit(page, "/soan-moi", **typed)
        assert saved.status_code == 303
        again = await officer.get(f"{saved.headers['location']}/sua")
        assert "4/4" in again.text and server.request_counts["/co"] == 1, "known for a while"
    desk.clock.advance(3601)
    async with desk.browser(await desk.session_of("an")) as officer:
        page = await officer.get(f"{saved.headers['location']}/sua")
    assert "4/4" not in page.text


async def test_who_answers_for_a_text_has_its_links_asked_on_the_items_pages(desk, server):
    async def fails(_):
        return web.Response(status=500)

    server.answers["/hong"] = fails
    async with open_newsroom(desk) as newsroom:
        path = await newsroom.written(body=f"Xem [trang]({server.url('/hong')}).")
        await newsroom.press("an", path, "gui")
        asked = await newsroom["binh"].press(path, f"{path}/lien-ket")
        shown = await newsroom["binh"].get(asked.headers["location"])
        assert WHY["status"].format(detail="500") in shown.text
        await newsroom.press("binh", path, "xac-nhan", clean="1")
        await newsroom.press("chi", path, "trinh", clean="1")
        review = f"{path}/duyet"
        assert WHY["status"].format(detail="500") in (await newsroom["dung"].get(review)).text
        server.serve("/hong", b"x")
        asked = await newsroom["dung"].press(review, f"{path}/lien-ket")
        assert asked.headers["location"].startswith(review)
        assert "HTTP 500" not in (await newsroom["dung"].get(asked.headers["location"])).text
        before = server.request_counts.copy()
        async with desk.signed_in("khac", "nguoi-gui-tin") as other:
            assert (await other.post(f"{path}/lien-ket")).status_code == 403
        for reader in ("an", "binh", "chi"):
            assert (await newsroom[reader].get(path)).status_code == 200
            assert (await newsroom[reader].post(f"{path}/lien-ket")).status_code == 403
        assert server.request_counts == before, "asked for who may answer for the text alone"


async def test_the_page_says_how_many_links_were_not_asked(desk, server):
    body = " ".join(server.url(f"/{number}") for number in range(HOST_LINKS_MAX + 2))
    async with desk.signed_in("an", "nguoi-gui-tin") as officer:
        for asked in (HOST_LINKS_MAX, HOST_LINKS_MAX + 2):
            done = await officer.post("/soan/-/lien-ket", **TEXT | {"body": body})
            page = (await officer.get(done.headers["location"])).text
            assert f"{asked}/{HOST_LINKS_MAX + 2}" in page
            rest = SAID["rest"].format(rest=2, most=LINKS_MAX, of_host=HOST_LINKS_MAX)
            assert (rest in page) == (asked == HOST_LINKS_MAX)


async def test_an_account_asks_few_times_a_minute(desk, server):
    async with desk.signed_in("an", "nguoi-gui-tin") as officer:
        answers = [await officer.post("/soan/-/lien-ket", **TEXT) for _ in range(7)]
    assert [one.status_code for one in answers] == [303] * 6 + [429]
