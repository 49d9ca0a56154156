"""`/tim` answers with a page of its own, whatever is asked, and says why when it can't."""

from datetime import timedelta

import httpx2
import pytest
from lxml import html

from channels.portal.search.catalogue import Catalogue
from channels.portal.search.keeper import CATALOGUE
from channels.portal.search.serve import search_app
from channels.portal.site import Site
from contracts.vocabulary import DEFAULT
from tests.portal_folder import PUBLIC_URL, said
from tests.test_search_catalogue import DAY, a_paper


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "state").mkdir()
    catalogue = Catalogue(tmp_path / "state" / CATALOGUE)
    catalogue.lay_out()
    catalogue.put(
        a_paper(n, f"Nghỉ Tết lần {n}", "Lịch <b>nghỉ</b> & Hoà Bình", at=DAY + timedelta(hours=n))
        for n in range(45)
    )
    catalogue.close()
    return tmp_path


@pytest.fixture
def client(folder):
    app = search_app(folder, Site(PUBLIC_URL, DEFAULT))
    transport = httpx2.ASGITransport(app)
    return httpx2.AsyncClient(transport=transport, base_url="http://loa.test")


async def asked(client, status=200, **parameters):
    answer = await client.get("/tim", params=parameters)
    assert answer.status_code == status
    return html.document_fromstring(answer.content)


def titles(page):
    return [said(link) for link in page.cssselect(".stories h2 a")]


async def test_without_a_question_there_is_only_the_form(client):
    page = await asked(client)
    assert page.cssselect("form[role=search]")
    assert not page.cssselect("[role=status], .stories")
    assert not page.cssselect("meta[name=robots]")


async def test_answers_come_page_by_page(client):
    first = await asked(client, q="nghi tet")
    assert said(first.cssselect("[role=status]")[0]) == "Có 45 tin."
    assert titles(first)[0] == "Nghỉ Tết lần 44"
    (after,) = first.cssselect("a[rel=next]")
    assert not first.cssselect("a[rel=prev]")
    second = html.document_fromstring((await client.get(after.get("href"))).content)
    assert titles(second)[0] == "Nghỉ Tết lần 24"
    last = await asked(client, q="nghi tet", trang="3")
    assert len(titles(last)) == 5
    assert not last.cssselect("a[rel=next]")


async def test_the_words_are_marked_and_nothing_becomes_a_tag(client):
    page = await asked(client, q="hòa")
    assert [mark.text for mark in page.cssselect("mark")][:1] == ["Hoà"]
    assert not page.cssselect(".stories b")


async def test_the_form_keeps_what_was_filled_in(client):
    page = await asked(client, q='"><script>', **{"chu-de": "viec-lam", "tu": "2026-11-01"})
    assert page.cssselect("#q")[0].get("value") == '"><script>'
    assert page.cssselect("#chu-de option[selected]")[0].get("value") == "viec-lam"
    assert page.cssselect("#tu")[0].get("value") == "2026-11-01"
    assert not page.cssselect("script")
    assert page.cssselect("meta[name=robots]")


@pytest.mark.parametrize("field", ["tu", "den"])
async def test_a_day_that_can_not_be_read_is_said_beside_its_field(client, field):
    page = await asked(client, 400, **{field: "31/02/2026"})
    (wrong,) = page.cssselect("[aria-invalid]")
    assert wrong.get("id") == field
    assert "20/11/2026" in said(page.cssselect("[role=alert]")[0])


async def test_nothing_found_says_what_to_try(client):
    page = await asked(client, q="không-có-chữ-này")
    assert "Không có tin nào" in said(page.cssselect("[role=status]")[0])


async def test_a_missing_catalogue_is_said_and_not_kept(client, folder):
    (folder / "state" / CATALOGUE).unlink()
    answer = await client.get("/tim", params={"q": "nghỉ"})
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert "chưa tìm được" in answer.text


async def test_a_form_may_be_sent_here_and_nowhere_else(client):
    answer = await client.get("/tim")
    assert "form-action 'self'" in answer.headers["content-security-policy"]
    assert (await client.post("/tim")).status_code == 405
