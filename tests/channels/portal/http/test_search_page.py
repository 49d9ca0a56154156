"""The search page `/tim`: results, errors and unavailability each have a page."""

import asyncio
import threading
from datetime import timedelta
from shutil import copytree

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import html
from starlette.applications import Starlette
from starlette.routing import Mount

from channels.portal.http import search_app as http_search_app
from channels.portal.http.file_app import PORTAL_HEADERS
from channels.portal.http.search_app import SearchService, search_app
from channels.portal.http.search_page import SearchPage
from channels.portal.model.site import Site
from channels.portal.search.sync import SEARCH_INDEX_FILE
from contracts.vocabulary import DEFAULT
from tests.channels.portal.search.test_index import DAY, a_paper, new_index
from tests.support.portal_dir import PUBLIC_URL, WORDS, http_client, text_of
from tests.support.waiting import until


def a_home(folder):
    """A portal with pages, so that unknown addresses are 404."""
    (folder / "state").mkdir()
    (folder / "public").mkdir()
    (folder / "public/index.html").write_text("<!doctype html>")


@pytest.fixture(scope="module")
def indexed_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("indexed")
    a_home(folder)
    text = "Lịch <b>nghỉ</b> & Hoà Bình"
    hours = [DAY + timedelta(hours=n) for n in range(45)]
    papers = [a_paper(n, f"Nghỉ Tết lần {n}", text, at=at) for n, at in enumerate(hours)]
    new_index(folder / "state" / SEARCH_INDEX_FILE, papers).close()
    return folder


@pytest.fixture
def folder(indexed_folder, tmp_path):
    return copytree(indexed_folder, tmp_path, dirs_exist_ok=True)


@pytest.fixture
def client(folder):
    app = search_app(folder, Site(PUBLIC_URL, DEFAULT))
    return http_client(app)


async def asked(client, status=200, **parameters):
    answer = await client.get("/tim", params=parameters)
    assert answer.status_code == status
    return html.document_fromstring(answer.content)


def titles(page):
    return [text_of(link) for link in page.cssselect(".stories h2 a")]


async def test_without_a_question_topics_and_the_newest_items_are_offered(client):
    page = await asked(client)
    assert "/muc/thu-tuc-hanh-chinh/" in page.xpath("//main//ul[@class='plain']//a/@href")
    newest = [text_of(link) for link in page.cssselect(".lines a")]
    assert newest == [f"Nghỉ Tết lần {n}" for n in (44, 43, 42, 41, 40)]
    assert page.cssselect("form[role=search]")
    assert not page.cssselect("[role=status], .stories")
    assert not page.cssselect("meta[name=robots]")


async def test_answers_come_page_by_page(client):
    first = await asked(client, q="nghi tet")
    assert (
        text_of(first.cssselect("[role=status]")[0]) == "Tìm thấy 45 tin, xếp theo mức độ phù hợp."
    )
    assert titles(first)[0] == "Nghỉ Tết lần 44"
    (after,) = first.cssselect("a[rel=next]")
    assert not first.cssselect("a[rel=prev]")
    second = html.document_fromstring((await client.get(after.get("href"))).content)
    assert titles(second)[0] == "Nghỉ Tết lần 24"
    last = await asked(client, q="nghi tet", trang="3")
    assert len(titles(last)) == 5
    assert not last.cssselect("a[rel=next]")
    assert text_of(last.cssselect(".paging span")[0]) == "Trang 3/3"
    assert "Trang 3/3" in text_of(last.cssselect("title")[0])


@pytest.mark.parametrize("number", ["4", "51", "999", "999999999"])
async def test_behind_the_last_page_there_is_the_last_page(client, number):
    last = await asked(client, q="nghi tet", trang="3")
    beyond = await asked(client, q="nghi tet", trang=number)
    assert titles(beyond) == titles(last)
    assert beyond.cssselect("a[rel=prev]")[0].get("href").endswith("trang=2")
    assert not beyond.cssselect("a[rel=next]")


@pytest.mark.parametrize("number", ["0", "-1", "x", "007", "9" * 30])
async def test_what_is_no_page_leads_to_the_first(client, number):
    page = await asked(client, 400, q="nghi tet", trang=number)
    (link,) = page.cssselect("[role=alert] a")
    assert "Không có trang kết quả này." in text_of(page.cssselect("[role=alert]")[0])
    assert titles(html.document_fromstring((await client.get(link.get("href"))).content))


@pytest.mark.parametrize(
    ("asked_for", "order"),
    [
        ({"q": "nghi tet", "xep": "moi"}, "xếp từ mới đến cũ."),
        ({"tu": "2026-01-01"}, "xếp từ mới đến cũ."),
        ({"q": "lần 44"}, "Tìm thấy 1 tin."),
    ],
)
async def test_the_order_of_several_results_is_said_above_them(client, asked_for, order):
    said = text_of((await asked(client, **asked_for)).cssselect("[role=status]")[0])
    assert said.endswith(order)


async def test_the_words_are_marked_and_nothing_becomes_a_tag(client):
    page = await asked(client, q="hòa")
    assert [mark.text for mark in page.cssselect("mark")][:1] == ["Hoà"]
    assert not page.cssselect(".stories b")


async def test_what_finds_nothing_is_answered_with_what_finds_something(client):
    page = await asked(client, q="nghỉ xyz tết")
    link, *rest = page.xpath("//h2[.='Từ khóa có kết quả']/following-sibling::ul[1]//a")
    assert (text_of(link), rest) == ("nghỉ tết", [])
    assert titles(html.document_fromstring((await client.get(link.get("href"))).content))


async def test_the_nearest_topics_stand_below_what_finds_nothing(client):
    page = await asked(client, q="tuyen dung xyz")
    [link, *_] = page.xpath("//h2[.='Chủ đề']/following-sibling::ul[1]//a/@href")
    assert link == "/muc/tuyen-dung/"


async def test_filters_that_leave_nothing_are_taken_off_first(client):
    page = await asked(client, q="nghi tet", tu="2030-01-01")
    link, *_ = page.xpath("//h2[.='Từ khóa có kết quả']/following-sibling::ul[1]//a")
    assert link.get("href") == "/tim?q=nghi+tet"


async def test_a_phrase_is_marked_and_not_its_syllables_elsewhere(client):
    page = await asked(client, q="nghi tet binh")
    marks = {mark.text for mark in page.cssselect(".stories mark")}
    assert marks == {"Nghỉ Tết"}


async def test_the_form_keeps_what_was_filled_in(client):
    page = await asked(client, q='"><script>', **{"chu-de": "viec-lam", "tu": "2026-11-01"})
    assert page.cssselect("#q")[0].get("value") == '"><script>'
    assert page.cssselect("#chu-de option[selected]")[0].get("value") == "viec-lam"
    assert page.cssselect("#tu")[0].get("value") == "2026-11-01"
    assert not page.cssselect("script")
    assert page.cssselect("meta[name=robots]")


NAMES = {
    "q": "Tìm tin",
    "chu-de": "Chủ đề",
    "don-vi": "Đơn vị cung cấp",
    "doi-tuong": "Dành cho",
    "tu": "Từ ngày",
    "den": "Đến ngày",
}
WRONG = [
    ({"q": "*"}, "q", "Xin Quý vị nhập ít nhất một chữ hoặc số."),
    ({"q": "%", "chu-de": "viec-lam"}, "q", "Xin Quý vị nhập ít nhất một chữ hoặc số."),
    ({"q": "a " * 13}, "q", "200 ký tự"),
    (
        {"tu": "2/11/2026", "den": "1.11.2026"},
        "tu",
        "“Từ ngày” phải trước hoặc trùng với “Đến ngày”.",
    ),
    ({"chu-de": "zzz"}, "chu-de", "không có lựa chọn “zzz”"),
    ({"don-vi": "zzz"}, "don-vi", "không có lựa chọn “zzz”"),
    ({"doi-tuong": "*"}, "doi-tuong", "không có lựa chọn “*”"),
    ({"chu-de": "{label.__class__}"}, "chu-de", "không có lựa chọn “{label.__class__}”"),
    ({"tu": "31/02/2026"}, "tu", "20/11/2026"),
    ({"den": "31/02/2026"}, "den", "20/11/2026"),
    *(({field: "a" * 201}, field, name) for field, name in NAMES.items()),
]


@pytest.mark.parametrize(("question", "field", "words"), WRONG)
async def test_a_mistake_is_explained_at_its_field_and_above(client, question, field, words):
    page = await asked(client, 400, **question)
    (alert,) = page.cssselect("[role=alert]")
    assert words in text_of(alert)
    assert [link.get("href") for link in alert.cssselect("a")] == [f"#{field}"]
    assert text_of(page.cssselect(f"#{field}-loi")[0])
    (wrong,) = page.cssselect("[aria-invalid]")
    assert wrong.get("id") == field
    assert f"{field}-loi" in wrong.get("aria-describedby").split()
    assert text_of(page.cssselect(f"label[for={field}]")[0]) == NAMES[field]
    assert page.cssselect("details[open]") or field == "q"
    assert text_of(page.cssselect("title")[0]).startswith("Lỗi:")
    assert not page.cssselect("[role=status], .notice")


async def test_a_unit_is_found_by_a_former_id_and_the_box_shows_todays(tmp_path):
    former, present = next(iter(DEFAULT.aliases.items()))
    a_home(tmp_path)
    papers = [a_paper(1, unit=present), a_paper(2)]
    new_index(tmp_path / "state" / SEARCH_INDEX_FILE, papers).close()
    app = search_app(tmp_path, Site(PUBLIC_URL, DEFAULT))
    async with http_client(app) as client:
        page = await asked(client, **{"don-vi": former})
    assert len(titles(page)) == 1
    assert page.cssselect("#don-vi option[selected]")[0].get("value") == present


async def test_the_order_stands_in_the_fold_which_is_open_once_it_was_chosen(client):
    page = await asked(client, q="nghi", xep="moi")
    assert page.cssselect("details[open] #xep option[selected]")[0].get("value") == "moi"
    assert not (await asked(client, q="nghi")).cssselect("details[open]")


async def test_the_names_of_topics_and_units_lead_to_them(client):
    page = await asked(client, q="viec lam")
    links = page.xpath("//p[starts-with(., 'Chủ đề liên quan')]/a/@href")
    assert links == ["/muc/viec-lam/", "/muc/cuc-viec-lam/"]
    assert not (await asked(client, q="viec")).xpath("//p[starts-with(., 'Chủ đề liên quan')]")


async def test_the_hint_makes_room_for_results(client):
    assert "“nghỉ tết”" in text_of((await asked(client)).cssselect("#q-goi-y")[0])
    assert not (await asked(client, q="nghi")).cssselect("#q-goi-y")


async def test_nothing_found_says_what_to_try(client):
    page = await asked(client, q="không-có-chữ-này")
    assert "Không tìm thấy tin phù hợp" in text_of(page.cssselect("[role=status]")[0])


async def test_a_missing_catalogue_is_said_and_not_kept(client, folder):
    (folder / "state" / SEARCH_INDEX_FILE).unlink()
    answer = await client.get("/tim", params={"q": "nghỉ"})
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert "chưa tìm được" in answer.text


async def test_a_slash_behind_it_leads_to_the_same_page(client):
    plain, slashed = await client.get("/tim?q=nghi"), await client.get("/tim/?q=nghi")
    assert (slashed.status_code, slashed.content) == (200, plain.content)


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/tim", 200, "Tìm tin"),
        ("GET", "/tim/", 200, "Tìm tin"),
        ("GET", "/tim?den=x", 400, "Đến ngày"),
        ("GET", "/tim/abc", 404, "Không tìm thấy trang"),
        ("GET", "/tim/abc/", 404, "Không tìm thấy trang"),
        ("GET", "/timx", 404, "Không tìm thấy trang"),
        ("POST", "/tim", 405, "Địa chỉ này chỉ nhận"),
        ("PUT", "/tim/", 405, "Địa chỉ này chỉ nhận"),
        ("OPTIONS", "/tim", 405, "Địa chỉ này chỉ nhận"),
    ],
)
async def test_every_answer_is_guarded_and_in_vietnamese(client, method, path, status, words):
    answer = await client.request(method, path)
    assert answer.status_code == status
    assert words in answer.text
    assert all(answer.headers[name] == value for name, value in PORTAL_HEADERS.items())
    assert "allow" in answer.headers or status != 405


async def test_a_look_at_the_head_has_the_same_headers(client):
    get, head = await client.get("/tim?q=nghi"), await client.head("/tim?q=nghi")
    assert (head.status_code, head.headers) == (200, get.headers)


async def test_mounted_below_a_path_it_is_the_same(folder):
    app = Starlette(routes=[Mount("/cong", app=search_app(folder, Site(PUBLIC_URL, DEFAULT)))])
    async with http_client(app) as client:
        answers = [await client.get(f"/cong/{path}") for path in ("tim", "tim/", "tim/abc")]
    assert [answer.status_code for answer in answers] == [200, 200, 404]


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({"q": "x" * 60_000}, 400),
        ({"q": "nghỉ", "xep": "x" * 60_000}, 200),
        ({"q": "nghỉ", "xep": "x" * 60_000, "trang": "0"}, 400),
        ({"chu-de": "x" * 60_000}, 400),
        ({"tu": "x" * 60_000}, 400),
        ({"tu": " " * 60_000 + "1/11/2026"}, 200),
        ({"q": "nghỉ", "trang": "x" * 60_000}, 400),
    ],
)
async def test_however_long_the_address_is_the_page_is_not(client, question, status):
    """A long request gets no longer response than others."""
    usual = await client.get("/tim", params={"q": "nghỉ"})
    answer = await client.get("/tim", params=question)
    assert answer.status_code == status
    assert len(answer.content) < len(usual.content) + 5_000
    page = html.document_fromstring(answer.content)
    assert len(page.cssselect("#q")[0].get("value")) <= 200


# --- hostile addresses

FIELDS = ("q", "chu-de", "don-vi", "doi-tuong", "tu", "den", "xep", "trang")
days = st.dates().map(lambda day: day.strftime("%d/%m/%Y"))
numbers = st.integers(-(10**30), 10**30).map(str)
signs = st.text(st.sampled_from("\"'*^():{}+-ANDORNEAR tx0\x00\u0301đĐ²٣\ud7ff"), max_size=40)
values = st.one_of(days, numbers, signs, st.text(max_size=250), st.dates().map(str))


@pytest.fixture(scope="module")
def search_service(tmp_path_factory):
    file, site = tmp_path_factory.mktemp("state") / SEARCH_INDEX_FILE, Site(PUBLIC_URL, WORDS)
    new_index(file, map(a_paper, range(3))).close()
    return SearchService(file, site)


@settings(max_examples=200, deadline=None)
@given(asked=st.dictionaries(st.sampled_from(FIELDS), values, max_size=4))
@example({"den": "31/12/9999"})
@example({"tu": "0001-01-01"})
@example({"q": "\x00", "tu": "1969-01-01", "den": "1900-01-01"})
def test_every_question_is_answered_or_refused(search_service, asked):
    assert search_service.respond(asked).status_code in (200, 400)


BYTES = ["q=%ff%fe", "q=%00", "q=%ed%a0%80", "&&==&", "q=1&q=%22", "trang=%e2%91%a0"]


@pytest.mark.parametrize("query", [*BYTES, f"q={'a+' * 5000}"])
async def test_bytes_that_are_no_text_are_answered_too(client, query):
    assert (await client.get(f"/tim?{query}")).status_code in (200, 400)


# --- many searches at once


@pytest.fixture
def blocked_searches(monkeypatch):
    """Searches that end on a signal; `most` counts those that ran at the same time."""

    class Held:
        may, now, most, lock = threading.Event(), 0, 0, threading.Lock()

    def slow(desk, question):
        with Held.lock:
            Held.now += 1
            Held.most = max(Held.most, Held.now)
        Held.may.wait(10)
        with Held.lock:
            Held.now -= 1

    monkeypatch.setattr(SearchService, "_look_up", slow)
    yield Held
    Held.may.set()


async def test_who_finds_no_room_is_told_when_to_come_back(tmp_path, blocked_searches):
    a_home(tmp_path)
    app = search_app(tmp_path, Site(PUBLIC_URL, WORDS))
    client = http_client(app)
    room = http_search_app.THREADS + http_search_app.WAITING_MAX
    inside = [asyncio.create_task(client.get("/tim?q=a")) for _ in range(room)]
    await until(lambda: app._in_progress == room)
    beside = [await client.get("/tim?q=a") for _ in range(3)]
    for answer in beside:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == str(http_search_app.BUSY_RETRY_S)
        assert answer.headers["cache-control"] == "no-store"
        assert "Hệ thống đang bận" in answer.text
        assert "default-src" in answer.headers["content-security-policy"]
    assert (await client.get("/tim/la")).status_code == 404, "other pages don't wait"
    blocked_searches.may.set()
    assert {answer.status_code for answer in await asyncio.gather(*inside)} == {200}
    assert blocked_searches.most == http_search_app.THREADS
    assert (await client.get("/tim?q=a")).status_code == 200


def test_the_page_of_a_rush_is_written_once(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(SearchPage, "render", lambda _, view: written.append(view) or b"page")
    desk = SearchService(tmp_path, Site(PUBLIC_URL, WORDS))
    assert [desk.respond_busy().body for _ in range(5)] == [b"page"] * 5
    assert len(written) == 1
