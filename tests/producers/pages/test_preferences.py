"""The page of one's own subscription: a letter lets in, and only its reader acts there."""

import re
from datetime import UTC, datetime

import pytest

from contracts.delivery import ChannelName
from producers.pages.forms import parse_future_day
from producers.pages.rendering import page_texts
from tests.support.clock import FakeClock
from tests.support.signup_app import ADDRESS, KNOWN, NOON, SEAL, SignupApp, heading, press_button

HTTPS = "https://thong-bao.moha.example"


async def test_a_letter_lets_in_and_the_page_shows_what_is_kept(signup_app):
    await signup_app.subscribed(name="Nguyễn Văn An", topics=["viec-lam"], frequency="weekly")
    async with signup_app.signed_in() as browser:
        page = (await browser.get("/dang-ky/tuy-chon")).text
        assert 'value="Nguyễn Văn An"' in page
        assert 'value="viec-lam" checked' in page
        assert 'value="weekly" checked' in page
        assert "12:00 ngày 26/11/2026" in page
        saved = await press_button(browser, frequency="weekly", topics=["tuyen-dung"])
        there = saved.headers["location"]
        assert (saved.status_code, there) == (303, "/dang-ky/tuy-chon?xong=da-luu")
        assert 'role="status">Đã lưu' in (await browser.get(there)).text
        assert (await browser.get("/dang-ky/quan-ly")).status_code == 303
    assert (await signup_app.subscriber()).topics == ("tuyen-dung",)


async def test_a_mistake_in_ones_own_page_is_said_where_it_is(signup_app):
    before = await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        for path, fields, field in (
            ("", {"topics": ["khong-co"]}, "topics"),
            ("", {"name": "x" * 151}, "name"),
            ("/tam-dung", {"until": "hôm qua"}, "until"),
            ("/dia-chi", {"email": "sai"}, "new_email"),
            ("/dia-chi", {"email": "a%b@example.com"}, "new_email"),
            ("/dia-chi", {"email": ADDRESS.upper()}, "new_email"),
        ):
            answer = await press_button(browser, path, **fields)
            assert answer.status_code == 422
            assert f'id="{field}-loi"' in answer.text
            assert f'id="{field}"' in answer.text
            assert field != "new_email" or page_texts()["wrong"]["new_email"] in answer.text
    assert await signup_app.subscriber() == before


async def test_the_session_is_a_cookie_that_no_script_and_no_other_site_has(bus, tmp_path):
    clock = FakeClock(NOON.timestamp())
    for url, wanted in ((HTTPS, ("__Host-loa-dang-ky=", "Secure")), ("", ("loa-dang-ky=",))):
        app = SignupApp(bus, tmp_path, clock, url)
        await app.subscribed()
        async with app.client() as browser:
            await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
            cookie = (await browser.post((await app.last_mail()).path)).headers["set-cookie"]
        for trait in ("HttpOnly", "SameSite=strict", "Max-Age=3600", "Path=/", *wanted):
            assert trait in cookie
        clock.advance(86400)
        await app.unsubscribe.erase(await app.subscriber(), ADDRESS, reason="test")


async def test_what_tells_browsers_apart_lets_nobody_in_and_is_no_text_of_others(bus, tmp_path):
    app = SignupApp(bus, tmp_path, FakeClock(NOON.timestamp()), HTTPS)
    await app.subscribed()
    async with app.client() as browser:
        await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
        path = (await app.last_mail()).path
        for sent in ("", 'loa"; Domain=moha.example', "x" * 5000):
            cookie = {"Cookie": f"__Host-loa-trinh-duyet={sent}"}
            answer = await browser.get(path, headers=cookie)
            said = answer.headers["set-cookie"]
            assert re.match(r"__Host-loa-trinh-duyet=[\w-]{22}; ", said)
            for trait in ("HttpOnly", "SameSite=lax", "Max-Age=3600", "Path=/", "Secure"):
                assert trait in said
        assert (await browser.get("/dang-ky/tuy-chon")).status_code == 403


async def test_nobody_elses_page_lets_a_reader_in_as_somebody_else(signup_app):
    await signup_app.subscribed()
    async with signup_app.client() as browser:
        await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
        path = (await signup_app.last_mail()).path
        for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 303)):
            answer = await browser.post(path, headers={"Sec-Fetch-Site": site})
            assert (answer.status_code, "set-cookie" in answer.headers) == (status, status == 303)


@pytest.mark.promise("14.4")
async def test_nobody_elses_page_acts_for_a_reader(signup_app):
    before = await signup_app.subscribed()
    await signup_app.subscribed(KNOWN)
    async with signup_app.signed_in(KNOWN) as other:
        foreign = SEAL.search((await other.get("/dang-ky/tuy-chon")).text)[1]
    async with signup_app.signed_in() as browser, signup_app.client() as stranger:
        for path in ("", "/tam-dung", "/nhan-lai", "/dia-chi", "/ngung", "/xoa"):
            for form in ({"a": "b"}, {"seal": foreign}, {"seal": ""}):
                answer = await browser.post(f"/dang-ky/tuy-chon{path}", data=form)
                assert answer.status_code == 403
            answer = await stranger.post(f"/dang-ky/tuy-chon{path}", data={"seal": foreign})
            assert answer.status_code == 403
    assert await signup_app.subscriber() == before


async def test_a_reader_takes_their_data_along_with_the_text_they_agreed_to(signup_app):
    one = await signup_app.subscribed(name="Nguyễn Văn An", topics=["viec-lam"])
    async with signup_app.signed_in() as browser:
        answer = await browser.get("/dang-ky/tuy-chon/du-lieu")
    assert "attachment" in answer.headers["content-disposition"]
    said = answer.json()
    assert (said["email"], said["name"], said["topics"]) == (ADDRESS, one.name, ["viec-lam"])
    assert said["consent"]["at"] == "2026-11-26T05:00:00Z"
    assert "Tôi đồng ý" in said["consent_text"]
    assert (said["left_alone"], said["left_alone_text"]) == (None, "")
    async with signup_app.client() as stranger:
        assert (await stranger.get("/dang-ky/tuy-chon/du-lieu")).status_code == 403


@pytest.mark.parametrize(
    ("reason", "until", "told"),
    [
        ("bounced 5.1.1", datetime(2100, 3, 4, 20, tzinfo=UTC), ("bị trả lại", "05/03/2100")),
        ("complaint", None, ("thư rác", "Nếu muốn nhận lại")),
    ],
)
async def test_a_suppressed_address_is_part_of_its_readers_data(signup_app, reason, until, told):
    await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        await signup_app.suppressions.add(ChannelName.EMAIL, ADDRESS, reason, until, at=NOON)
        said = (await browser.get("/dang-ky/tuy-chon/du-lieu")).json()
    assert said["left_alone"]["reason"] == reason
    assert said["left_alone"]["at"] == "2026-11-26T05:00:00Z"
    assert [word for word in told if word not in said["left_alone_text"]] == []


async def test_leaving_the_page_ends_the_session(signup_app):
    await signup_app.subscribed()
    async with signup_app.signed_in() as browser:
        cookie = dict(browser.cookies)
        out = await press_button(browser, "/thoat")
        assert heading(out) == "Đã thoát" and out.headers["clear-site-data"] == '"cache"'
        assert (await browser.get("/dang-ky/tuy-chon")).status_code == 403
        again = await browser.post("/dang-ky/tuy-chon/thoat")
        assert heading(again) == "Đã thoát"
    async with signup_app.client() as copy, signup_app.signed_in() as other:
        copy.cookies.update(cookie)
        for path in ("", "/du-lieu", "/xoa"):
            assert (await copy.get(f"/dang-ky/tuy-chon{path}")).status_code == 403
        assert (await other.get("/dang-ky/tuy-chon")).status_code == 200, "another session"


async def test_signing_out_without_a_session_leaves_nothing_behind(signup_app):
    before = await signup_app.stored_bytes()
    async with signup_app.client() as browser:
        browser.cookies.set("loa-dang-ky", "x" * 200)
        assert heading(await browser.post("/dang-ky/tuy-chon/thoat")) == "Đã thoát"
    assert await signup_app.stored_bytes() == before


async def test_a_visitor_without_a_letter_is_told_how_to_open_the_page(signup_app):
    async with signup_app.client() as stranger:
        answer = await stranger.get("/dang-ky/tuy-chon")
    assert (answer.status_code, heading(answer)) == (403, "Phiên quản lý đăng ký đã hết hạn")
    assert "<title>Phiên quản lý đăng ký đã hết hạn" in answer.text
    assert "xin Quý vị nhập địa chỉ thư điện tử đang nhận tin" in answer.text
    assert 'action="/dang-ky/quan-ly"' in answer.text


@pytest.mark.parametrize(
    ("written", "ends"),
    [
        ("27/11/2026", "2026-11-27"),
        ("5.1.2027", "2027-01-05"),
        ("05-01-2027", "2027-01-05"),
        ("2027-01-05", "2027-01-05"),
        ("26/11/2026", None),
        ("31/02/2027", None),
        ("01/13/2027", None),
        ("01/01/2030", None),
        ("mai", None),
        ("", None),
    ],
)
def test_a_day_is_read_as_vietnamese_write_it(written, ends):
    found = parse_future_day(written, NOON.date())
    assert (f"{found:%Y-%m-%d}" if found else None) == ends
