"""The desk in a real browser: its forms are accepted, and its pages are clean for everyone."""

import asyncio
from functools import partial

import pytest
from starlette.responses import HTMLResponse

from consumers.editorial.log import EditorialLog
from tests.support.browser import faults_in_every_look, screenshot
from tests.support.desk_app import served_desk
from tests.support.listed_items import save
from tests.support.signup_app import serve_app
from tests.support.staff import PASSWORD

MANAGER = "quan-tri-tai-khoan"
PAGES = (
    *(
        "/",
        "/quyen",
        "/tin",
        "/lich",
        "/tai-khoan",
        "/tai-khoan/ung-dung",
        "/nhan-su",
        "/nhan-su/them",
    ),
    *("/don-vi", "/don-vi/them", "/de-nghi", "/dong-lenh", "/khong-co"),
)
TYPING_PAUSE_MS = 350
"""Between keys: longer than the page waits for the next one before it asks."""


@pytest.fixture
async def desk(bus, clock):
    async with served_desk(bus, clock) as desk:
        yield desk


async def signs_in(page, desk, login):
    """By hand, with the form, as every browser sends it: `Origin` and `Sec-Fetch-Site` are its."""
    await page.goto(desk.url)
    await page.get_by_label("Tên đăng nhập").fill(login)
    await page.get_by_label("Mật khẩu").fill(PASSWORD)
    await page.get_by_label("Mã của ứng dụng xác thực").fill(desk.code())
    await page.get_by_role("button", name="Đăng nhập").click()
    await page.get_by_role("heading", name="Việc của tôi").wait_for()


async def proposes_and_signs_out(page, desk):
    await signs_in(page, desk, "an")
    await page.get_by_role("link", name="Quản trị").click()
    await page.get_by_role("link", name="Thêm tài khoản").click()
    await page.get_by_label("Tên đăng nhập").fill("cuong")
    await page.get_by_label("Họ và tên").fill("Phạm Văn Cường")
    await page.get_by_label("Biên tập viên", exact=True).check()
    await page.get_by_label("Đơn vị", exact=True).select_option("van-phong-bo")
    await page.get_by_role("button", name="Đề nghị thêm tài khoản").click()
    await page.get_by_text("Thêm tài khoản cuong").wait_for()
    await page.get_by_role("button", name="Đăng xuất").click()
    await page.get_by_role("heading", name="Đã đăng xuất").wait_for()
    await page.goto(desk.url)
    await page.get_by_role("heading", name="Đăng nhập").wait_for()


async def test_a_browser_without_scripts_signs_in_proposes_and_signs_out(desk, browser):
    await desk.active("an", MANAGER)
    with browser.tab(width=390, java_script_enabled=False) as tab:
        await tab.run(partial(proposes_and_signs_out, desk=desk))
        assert [said for said in tab.errors if "status of" not in said] == []
    assert len(await desk.bus.bucket("sessions").keys("proposal.")) == 1


async def searches_while_typing(page, desk, paths):
    """The list follows what is typed; an ended session leaves it as it was."""
    await signs_in(page, desk, "an")
    await page.goto(f"{desk.url}/tin")
    found = page.locator("#tim-thay")
    words = page.get_by_label("Tìm trong tiêu đề, tóm tắt và nội dung")
    await words.press_sequentially("huong dan")
    await found.locator(f'a[href="{paths[1]}"]').wait_for(state="detached")
    assert await found.locator(f'a[href="{paths[0]}"]').count() == 1
    await page.wait_for_url(lambda url: url.startswith(f"{desk.url}/tin?q=huong+dan"))
    await page.context.clear_cookies()
    async with page.expect_response(lambda answer: "q=huong+dan+nop" in answer.url):
        await words.press_sequentially(" nop")
    assert await found.locator(f'a[href="{paths[0]}"]').count() == 1


async def test_a_search_shows_what_it_finds_while_its_words_are_typed(desk, browser):
    await desk.active("an", "bien-tap-vien")
    log = EditorialLog(desk.bus)
    for content_id, title in (("bai-1", "Hướng dẫn nộp hồ sơ"), ("bai-2", "Lịch tiếp công dân")):
        await log.act(content_id, save("nv-lan", title=title))
    with browser.tab() as tab:
        await tab.run(partial(searches_while_typing, desk=desk, paths=["/tin/bai-1", "/tin/bai-2"]))
        assert tab.blocked == []


async def types_on_while_the_first_answer_is_held(page, desk, paths):
    """The last typed words are found, and the line that says how many stays in its place."""
    await signs_in(page, desk, "an")
    await page.goto(f"{desk.url}/tin")
    words = page.get_by_label("Tìm trong tiêu đề, tóm tắt và nội dung")
    said = await page.locator("#so-tin[role=status]").element_handle()
    assert await said.inner_text() == "Tìm thấy 2 tin."
    typed = asyncio.Event()

    async def hold(route):
        await typed.wait()
        await route.fallback()

    await page.route("**/tin?q=h&*", hold)
    async with page.expect_request(lambda request: "q=h&" in request.url):
        await words.press_sequentially("h")
    await words.press_sequentially("uong dan nop", delay=TYPING_PAUSE_MS)
    typed.set()
    await page.get_by_text("Tìm thấy 1 tin.").wait_for()  # the words before have two, or none
    assert await said.inner_text() == "Tìm thấy 1 tin."
    assert await page.locator(f'#tim-thay a[href="{paths[0]}"]').count() == 1
    await page.wait_for_url(lambda url: url.startswith(f"{desk.url}/tin?q=huong+dan+nop&"))


async def test_a_search_shows_what_was_typed_last_though_an_answer_takes_long(desk, browser):
    await desk.active("an", "bien-tap-vien")
    log = EditorialLog(desk.bus)
    for content_id, title in (("bai-1", "Hướng dẫn nộp hồ sơ"), ("bai-2", "Hướng dẫn tra cứu")):
        await log.act(content_id, save("nv-lan", title=title))
    paths = ["/tin/bai-1", "/tin/bai-2"]
    with browser.tab() as tab:
        await tab.run(partial(types_on_while_the_first_answer_is_held, desk=desk, paths=paths))
        assert tab.blocked == []


async def looked_at(page, desk):
    wrong = []
    for path in ("/dang-nhap", "/kich-hoat"):
        wrong += await judged(page, desk, path)
    await signs_in(page, desk, "an")
    account = await desk.accounts.require("an")
    for path in (*PAGES, f"/nhan-su/{account.id}", "/don-vi/van-phong-bo"):
        wrong += await judged(page, desk, path)
    return wrong


async def judged(page, desk, path):
    await page.goto(desk.url + path)
    await screenshot(page, f"desk-{path.strip('/').replace('/', '-') or 'start'}")
    return [f"{path} {one}" for one in await faults_in_every_look(page)]


async def test_every_page_is_clean_in_every_look(desk, browser):
    await desk.active("an", MANAGER)
    await desk.registry.add("van-phong-bo", release="desk")
    binh = await desk.desk.find(await second_manager(desk))
    await binh.submit({"do": "units.rotate", "unit": "van-phong-bo"})
    with browser.tab() as tab:
        assert await tab.run(partial(looked_at, desk=desk)) == []
        assert [said for said in tab.errors if "status of 4" not in said] == []
        assert tab.blocked == []


async def second_manager(desk):
    await desk.active("binh", MANAGER)
    return await desk.session_of("binh")


async def attacks(page, desk, evil):
    """Another site, open in the same browser, posts to the desk and shows it in a frame."""
    await signs_in(page, desk, "an")
    await page.goto(evil)
    await page.get_by_role("button").click()
    await page.wait_for_load_state()
    answer = await page.content()
    await page.goto(f"{evil}/khung")
    frame = page.frames[-1]
    framed = await frame.content() if frame.url.startswith(desk.url) else ""
    await page.goto(desk.url)
    return answer, framed, await page.content()


@pytest.mark.promise("15.3")
async def test_another_site_in_the_same_browser_neither_acts_nor_frames(desk, browser):
    await desk.active("an", MANAGER)

    async def evil(scope, receive, send):
        form = f'<form method="post" action="{desk.url}/tai-khoan/moi-phien"><button>x</button>'
        frame = f'<iframe src="{desk.url}/"></iframe>'
        page = frame if scope["path"] == "/khung" else form
        await HTMLResponse(f"<!doctype html><title>x</title>{page}")(scope, receive, send)

    async with serve_app(evil) as url:
        evil_url = url.replace("127.0.0.1", "localhost")
        with browser.tab() as tab:
            answer, framed, after = await tab.run(partial(attacks, desk=desk, evil=evil_url))
    assert "gửi từ chính trang này" in answer
    assert "Đang đăng nhập" not in framed
    assert "Đang đăng nhập" in after, "the session lives on"
