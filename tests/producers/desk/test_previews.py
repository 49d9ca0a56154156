"""The preview of an item: each channel's own rendering, in frames without any rights."""

import re
from datetime import timedelta

from contracts.base.times import utc_now
from contracts.desk.previews import Document
from tests.support.desk_app import PORTAL_URL, DeskApp
from tests.support.desk_items import desk_text, save_draft
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted, withdrawn
from tests.support.intake_harness import IntakeHarness

PAGE = f"/tin/{ITEM}/xem-truoc"
EDITOR, OFFICER = "bien-tap-vien", "nguoi-gui-tin"
_FRAME = re.compile(r'<iframe [^>]*src="([^"]*)"[^>]*>')


def frames(page) -> dict[str, str]:
    """The addresses of a page's frames, by document."""
    found = [source.replace("&amp;", "&") for source in _FRAME.findall(page.text)]
    return {source.rpartition("kieu=")[2]: source for source in found}


async def test_a_draft_is_shown_as_every_channel_would_show_it(desk: DeskApp, bus, clock):
    text = desk_text(title="Lịch tiếp công dân tháng 12", body="Sáng **thứ Ba** hằng tuần.")
    await save_draft(bus, clock, text, "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
        assert page.status_code == 200, page.text
        assert "Lịch tiếp công dân tháng 12" in page.text and "chưa phát hành" in page.text
        assert "Sáng thứ Ba hằng tuần." in page.text, "Zalo's paragraphs and the mail's text"
        assert set(frames(page)) == set(Document)
        for document, source in frames(page).items():
            shown = await browser.get(source)
            assert shown.status_code == 200, document
            assert "<strong>thứ Ba</strong>" in shown.text, document


async def test_a_frame_has_no_rights(desk: DeskApp, bus, clock):
    body = "[bấm](https://example.com) <script>alert(1)</script>"
    await save_draft(bus, clock, desk_text(body=body), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
        policy = page.headers["content-security-policy"]
        assert "frame-src 'self'" in policy and "script-src" not in policy
        rights = re.findall('<iframe [^>]* sandbox="([^"]*)"', page.text)
        assert rights == ["allow-same-origin"] * len(_FRAME.findall(page.text))
        for source in frames(page).values():
            shown = await browser.get(source)
            policy = shown.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'") and "script-src" not in policy
            assert "frame-ancestors 'self'" in policy and "; sandbox allow-same-origin;" in policy
            assert "<script>alert" not in shown.text and '<base target="_blank">' in shown.text


async def test_uploads_come_from_the_desk_before_the_release(desk: DeskApp, bus, clock):
    path = f"/tep/{'a' * 64}/a.png"
    given = {"cover": {"url": PORTAL_URL + path, "alt": "Bìa"}, "body": f"![Ảnh]({path}) thứ Ba"}
    await save_draft(bus, clock, desk_text(**given), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        for source in frames(await browser.get(PAGE)).values():
            shown = (await browser.get(source)).text
            assert PORTAL_URL + path not in shown and f'"{path}"' in shown, source


async def test_light_and_dark_do_not_depend_on_the_screen(desk: DeskApp, bus, clock):
    await save_draft(bus, clock, desk_text(), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        sources = frames(await browser.get(PAGE))
        light, dark = [(await browser.get(sources[one])).text for one in ("thu-sang", "thu-toi")]
    assert "prefers-color-scheme" not in light + dark
    assert "@media not all" in light and "@media all" in dark
    assert 'content="light"' in light and 'content="dark"' in dark


async def test_a_correction_shows_its_notice_and_both_kinds_of_mail(desk: DeskApp, bus, clock):
    await register_unit(bus)
    intake = IntakeHarness(bus, clock).intake
    await intake.handle(submitted(), UNIT)
    clock.advance(60)
    await intake.handle(corrected(reason="Sai ngày"), UNIT)
    async with desk.signed_in("an", EDITOR) as browser:
        page = await browser.get(PAGE)
        assert "Người đã nhận bản trước" in page.text and "Đính chính" in page.text
        portal = await browser.get(frames(page)["cong"])
        assert "Sai ngày" in portal.text
        news, earlier = [
            (await browser.get(f"{PAGE}/khung?nguoi-nhan={one}&kieu=thu-sang")).text
            for one in ("new", "earlier")
        ]
        assert "Sai ngày" in earlier and "Sai ngày" not in news
        first = await browser.get(f"{PAGE}?ban=1")
        assert "Bản số 1, đã phát hành" in first.text
        assert "Sai ngày" not in (await browser.get(frames(first)["cong"])).text


async def test_an_officer_sees_a_draft_of_their_own_and_no_other(desk: DeskApp, bus, clock):
    account = await desk.active("an", OFFICER)
    await save_draft(bus, clock, desk_text(), account.id)
    await save_draft(bus, clock, desk_text(content_id="cua-nguoi-khac"), "other", "cua-nguoi-khac")
    async with desk.browser(await desk.session_of("an")) as browser:
        assert (await browser.get(PAGE)).status_code == 200
        for path in ("xem-truoc", "xem-truoc/khung"):
            assert (await browser.get(f"/tin/cua-nguoi-khac/{path}")).status_code == 403


async def test_what_cannot_be_shown_is_named(desk: DeskApp, bus, clock):
    await save_draft(bus, clock, desk_text(title=""), "some-account")
    async with desk.signed_in("an", EDITOR) as browser:
        unfinished = await browser.get(PAGE)
        assert unfinished.status_code == 422 and "tiêu đề" in unfinished.text.lower()
        unknown = await browser.get("/tin/khong-co/xem-truoc")
        assert unknown.status_code == 422 and "khong-co" in unknown.text
        assert (await browser.get(f"{PAGE}?ban=7")).status_code == 422


async def status_for_another_unit(desk: DeskApp, *paths: str) -> list[int]:
    """The answers to an officer who has nothing to do with the item."""
    if await desk.accounts.find_by_login("khac") is None:
        await desk.active("khac", OFFICER)
    async with desk.browser(await desk.session_of("khac")) as browser:
        return [(await browser.get(path)).status_code for path in paths]


async def test_what_readers_do_not_see_takes_the_right_to_read_it(desk: DeskApp, bus, clock):
    await register_unit(bus)
    intake = IntakeHarness(bus, clock).intake
    later = utc_now(clock) + timedelta(days=2)
    await intake.handle(submitted(not_before=later.isoformat()), UNIT)
    live = f"/tin/{ITEM}/dang-gui"
    pages = (PAGE, f"{PAGE}/khung?kieu=cong", live, f"{live}/dong")
    assert await status_for_another_unit(desk, *pages) == [403] * 4, "before its time"
    async with desk.signed_in("an", EDITOR) as browser:
        assert [(await browser.get(path)).status_code for path in (PAGE, live)] == [200, 200]


async def test_what_readers_see_is_open_until_it_is_replaced(desk: DeskApp, bus, clock):
    await register_unit(bus)
    intake = IntakeHarness(bus, clock).intake
    await intake.handle(submitted(), UNIT)
    live = f"/tin/{ITEM}/dang-gui"
    assert await status_for_another_unit(desk, PAGE, live) == [200, 200]
    clock.advance(60)
    await intake.handle(corrected(reason="Sai ngày"), UNIT)
    clock.advance(60)
    newest, first = (PAGE, live), (f"{PAGE}?ban=1", f"{live}?ban=1")
    assert await status_for_another_unit(desk, *newest, *first) == [200, 200, 403, 403]
    await intake.handle(withdrawn(), UNIT)
    assert await status_for_another_unit(desk, *newest, *first, f"{PAGE}?ban=2") == [403] * 5
