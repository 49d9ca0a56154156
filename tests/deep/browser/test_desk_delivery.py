"""An item's preview on the desk in a real browser: frames show, and no script of an item runs."""

import asyncio
import io
from functools import partial

import pytest
from PIL import Image

from channels.portal.http.file_app import portal_app
from channels.portal.storage.uploads import UploadFiles
from consumers.uploads.portal import PublicUploads
from tests.support.browser import allow_viewers, faults_in_every_look, screenshot
from tests.support.desk_app import served_desk
from tests.support.desk_items import desk_text, save_draft
from tests.support.events import ITEM
from tests.support.served_desk import enter
from tests.support.signup_app import serve_app
from tests.support.uploaded_files import picture

EDITOR = "bien-tap-vien"
SHOWN_WITHIN_S = 30
BODY = """
Sáng **thứ Ba** hằng tuần, từ 8 giờ.

| Ngày | Nơi tiếp |
| --- | --- |
| 01/12 | Trụ sở Bộ, 8 Tôn Thất Thuyết |

<script>parent.document.title = "taken"</script><img src=x onerror="document.title='taken'">

[Quy chế tiếp công dân](https://example.com/quy-che) và [bấm](javascript:alert(1))
"""


@pytest.fixture
async def desk(bus, clock):
    async with served_desk(bus, clock) as desk:
        yield desk


async def previews(page, desk, token):
    """The frames by name, as the page that holds them lets them show."""
    await enter(page, desk, token)
    await page.goto(f"{desk.url}/tin/{ITEM}/xem-truoc")
    names = []
    for frame in await page.locator("iframe").all():
        await frame.scroll_into_view_if_needed()
        names.append(await frame.get_attribute("title"))
        await frame.content_frame.get_by_text("Sáng thứ Ba").first.wait_for()
        await screenshot(page, f"desk-preview-{len(names)}", whole=False)
    return names, await page.title()


async def looks(page):
    """Every frame's font, which its style sheet sets, and the page's faults."""
    fonts = [
        await frame.evaluate("getComputedStyle(document.body).fontFamily")
        for frame in page.frames[1:]
    ]
    return fonts, await faults_in_every_look(page)


@pytest.fixture
async def pictured(desk, bus, clock, tmp_path):
    """A session beside a draft whose cover and body show an uploaded picture."""
    await desk.active("an", EDITOR)
    token = await desk.session_of("an")
    file = tmp_path / "a"
    file.write_bytes(picture())
    kept = await desk.services.uploads.add(await desk.desk.find(token), file, "a.png")
    url = desk.services.public_url + kept.address.path
    cover = {"url": url, "alt": "Ảnh bìa"}
    text = desk_text(cover=cover, body=f"Sáng thứ Ba.\n\n![Ảnh trong bài]({url})")
    await save_draft(bus, clock, text, "some-account")
    return token


async def shown_pictures(page, desk, token) -> list[int]:
    """The widths of the pictures in the frame of the portal's page, as they came."""
    await enter(page, desk, token)
    await page.goto(f"{desk.url}/tin/{ITEM}/xem-truoc")
    frame = page.locator("iframe").first
    await frame.scroll_into_view_if_needed()
    await frame.content_frame.get_by_text("Sáng thứ Ba").first.wait_for()
    found = await frame.content_frame.locator("main img").all()
    for one in found:
        await one.scroll_into_view_if_needed()
        await one.evaluate("async (image) => { await image.decode(); }")
    return [await one.evaluate("(image) => image.naturalWidth") for one in found]


async def test_an_upload_shows_in_a_frame_before_the_release(pictured, desk, browser):
    with browser.tab() as tab:
        widths = await tab.run(partial(shown_pictures, desk=desk, token=pictured))
        assert widths == [160, 160]
        assert (tab.errors, tab.blocked) == ([], [])


@pytest.fixture
async def written(desk, bus, clock):
    await desk.active("an", EDITOR)
    text = desk_text(title="Lịch tiếp công dân tháng 12", body=BODY)
    await save_draft(bus, clock, text, "some-account")
    return await desk.session_of("an")


async def test_every_frame_shows_its_channel_and_runs_nothing(written, desk, browser):
    with browser.tab() as tab:
        names, title = await tab.run(partial(previews, desk=desk, token=written))
        assert len(names) == 5 and "taken" not in title
        fonts, wrong = await tab.run(looks)
        assert wrong == []
        assert all("Times" not in one for one in fonts[:2]), fonts
        assert [said for said in tab.errors if "status of 4" not in said] == []
        assert tab.blocked == []


async def test_without_scripts_the_frames_show_as_well(written, desk, browser):
    with browser.tab(width=390, java_script_enabled=False) as tab:
        names, _ = await tab.run(partial(previews, desk=desk, token=written))
        assert len(names) == 5


@pytest.fixture
async def red_paper(desk, tmp_path):
    """A session, and the address of a kept PDF whose page is red."""
    await desk.active("an", EDITOR)
    token, file = await desk.session_of("an"), tmp_path / "a"
    Image.new("RGB", (600, 800), "red").save(file, "PDF")
    kept = await desk.services.uploads.add(await desk.desk.find(token), file, "a.pdf")
    return token, kept.address


async def shows_red(page, url: str) -> None:
    """Open *url* and wait until much of the window is red. Raises TimeoutError."""
    await page.goto(url)
    async with asyncio.timeout(SHOWN_WITHIN_S):
        while True:
            shot = Image.open(io.BytesIO(await page.screenshot())).convert("RGB").resize((20, 20))
            if sum(n for n, (r, g, _) in shot.getcolors(400) if r > 200 and g < 60) > 10:
                return


async def test_a_kept_pdf_is_shown_by_the_browser_at_the_desk_and_on_the_portal(
    desk, red_paper, browser, tmp_path
):
    token, address = red_paper
    await UploadFiles(tmp_path, PublicUploads(desk.bus)).place([address])

    async def script(page):
        await enter(page, desk, token)
        await allow_viewers(page)
        for root in (desk.url, portal):
            await shows_red(page, root + address.path)

    async with serve_app(portal_app(tmp_path)) as portal:
        with browser.tab() as tab:
            await tab.run(script)
