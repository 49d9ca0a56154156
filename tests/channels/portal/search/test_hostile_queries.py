"""Hostile search addresses get a page or a refusal, never a server error."""

import httpx2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from channels.portal.http.search_app import SearchService, search_app
from channels.portal.http.search_page import SearchPage, known_values
from channels.portal.model.site import Site
from channels.portal.search.index import SearchIndex
from channels.portal.search.sync import SEARCH_INDEX_FILE
from tests.channels.portal.search.test_index import a_paper
from tests.support.portal_dir import PUBLIC_URL, WORDS

NAMES = ("q", "chu-de", "don-vi", "doi-tuong", "tu", "den", "xep", "trang")
days = st.dates().map(lambda day: day.strftime("%d/%m/%Y"))
numbers = st.integers(-(10**30), 10**30).map(str)
signs = st.text(st.sampled_from("\"'*^():{}+-ANDORNEAR tx0\x00\u0301đĐ²٣\ud7ff"), max_size=40)
values = st.one_of(days, numbers, signs, st.text(max_size=250), st.dates().map(str))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    (folder / "state").mkdir()
    catalogue = SearchIndex(folder / "state" / SEARCH_INDEX_FILE)
    catalogue.create_tables()
    catalogue.put(a_paper(n) for n in range(3))
    catalogue.close()
    return folder


@pytest.fixture(scope="module")
def search_server(folder):
    site = Site(PUBLIC_URL, WORDS)
    return SearchService(
        folder / "state" / SEARCH_INDEX_FILE, SearchPage(site).render, known_values(site)
    )


@settings(max_examples=400, deadline=None)
@given(asked=st.dictionaries(st.sampled_from(NAMES), values, max_size=4))
@example({"den": "31/12/9999"})
@example({"tu": "0001-01-01"})
@example({"q": "\x00", "tu": "1969-01-01", "den": "1900-01-01"})
def test_every_question_is_answered_or_refused(search_server, asked):
    assert search_server.respond(asked).status_code in (200, 400)


@pytest.mark.parametrize(
    "query",
    [
        "q=%ff%fe",
        "q=%00",
        "q=%ed%a0%80",
        "q=" + "a+" * 5000,
        "&&==&",
        "q=1&q=%22",
        "trang=%e2%91%a0",
    ],
)
async def test_bytes_that_are_no_text_are_answered_too(folder, query):
    transport = httpx2.ASGITransport(search_app(folder, Site(PUBLIC_URL, WORDS)))
    async with httpx2.AsyncClient(transport=transport, base_url="http://portal") as client:
        assert (await client.get(f"/tim?{query}")).status_code in (200, 400)
