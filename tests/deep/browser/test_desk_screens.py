"""Every screen of the desk on the sample ministry, at a desk's width and a phone's.

`LOA_TEST_PICTURES=docs/images/desk/man-hinh pytest tests/deep/browser/test_desk_screens.py` takes
the pictures of docs/desk-screens.md anew, with the font Noto Sans and chromium-l10n.
"""

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from contracts.facts.kinds import day_of
from producers.desk.routes import ROUTES
from tests.support.browser import axe, overflow_px, screenshot, set_look
from tests.support.loa_process import LoaProcess
from tests.support.repository import ROOT
from tests.support.sample_desk import CAMPAIGN, ISSUE, SampleDesk, fill_with_sample
from tests.support.served_desk import PLAIN_COOKIE

PAGE = ROOT / "docs" / "desk-screens.md"
FOLDER = ROOT / "docs" / "images" / "desk" / "man-hinh"
WHOLE = {"sua-tin", "xem-truoc", "se-toi-ai", "so-ban-tin"}
"""Pictures that are not cut: below are the checks and uploads, each channel, number and section."""
NO_SCREENS = {
    *("/oidc/vao", "/oidc/ve", "/oidc/xong"),
    *("/tin/{content_id}/xem-truoc/khung", "/tin/{content_id}/dang-gui/dong"),
    *("/tep/{hash}/{name}", "/tin/{content_id}/ban-tin/in", "/bao-cao/tep"),
    *("/tin/{content_id}/chuyen-de/bao-cao", "/don-vi/{unit}/thu/{id}/{face}"),
}
"""Routes that answer with a redirect, a frame of another page, a stream or a file."""
OFFICER, LEADER, EDITOR, APPROVER = (
    *("nguoi-gui-tin", "lanh-dao-don-vi"),
    *("bien-tap-vien", "lanh-dao-duyet"),
)
BEHIND = "?tu={before}&den={behind}&chi-tieu=items_published&theo=total&muc="
OPERATOR, AUDITOR, MANAGER = "quan-tri-kenh", "kiem-tra", "quan-tri-tai-khoan"


class Look(NamedTuple):
    """How a page is looked at, and in how many colours its picture is kept."""

    width: int
    height: int
    scheme: str
    colours: int


class Screen(NamedTuple):
    """A page by its route, and who sees it; *item*: the sample's text that it is about."""

    name: str
    login: str
    route: str
    item: str = ""
    query: str = ""


SCREENS = (
    Screen("dang-nhap", "", "/dang-nhap"),
    Screen("kich-hoat", "", "/kich-hoat"),
    Screen("viec-cua-toi", EDITOR, "/"),
    Screen("quyen", APPROVER, "/quyen"),
    Screen("tai-khoan", OFFICER, "/tai-khoan"),
    Screen("ung-dung", OFFICER, "/tai-khoan/ung-dung"),
    Screen("vai-tro", OFFICER, "/huong-dan/vai-tro"),
    Screen("dong-lenh", OPERATOR, "/dong-lenh"),
    Screen("tin", EDITOR, "/tin"),
    Screen("tim-tin", EDITOR, "/tin", query="?q=tuyen+dung"),
    Screen("lich", EDITOR, "/lich"),
    Screen("ban-tin", OFFICER, "/ban-tin"),
    Screen("so-ban-tin", OFFICER, "/tin/{content_id}/ban-tin", ISSUE),
    Screen("chuyen-de", OFFICER, "/chuyen-de"),
    Screen("de-xuat-chuyen-de", OFFICER, "/chuyen-de/de-xuat"),
    Screen("ke-hoach-chuyen-de", OFFICER, "/tin/{content_id}/chuyen-de", CAMPAIGN),
    Screen("soan-tin", OFFICER, "/soan-moi"),
    Screen("sua-tin", EDITOR, "/tin/{content_id}/sua", "40-van-ban-moi"),
    Screen("tin-nhap", OFFICER, "/tin/{content_id}", "46-hop-tac-quoc-te"),
    Screen("tin-cho-xac-nhan", LEADER, "/tin/{content_id}", "43-thong-cao-bao-chi"),
    Screen("tin-da-dang", APPROVER, "/tin/{content_id}", "45-truc-tet"),
    Screen("tin-bi-tra-lai", OFFICER, "/tin/{content_id}", "41-hoi-nghi-tham-dinh"),
    Screen("duyet", APPROVER, "/tin/{content_id}/duyet", "07-tuyen-dung-cong-chuc"),
    Screen("xem-truoc", EDITOR, "/tin/{content_id}/xem-truoc", "42-lich-tiep-cong-dan"),
    Screen("se-toi-ai", APPROVER, "/tin/{content_id}/se-toi-ai", "07-tuyen-dung-cong-chuc"),
    Screen("dang-gui", EDITOR, "/tin/{content_id}/dang-gui", "45-truc-tet"),
    Screen("tep", OFFICER, "/tep"),
    Screen("su-kien-loai", OPERATOR, "/su-kien-loai"),
    Screen("su-kien-loai-mot", OPERATOR, "/su-kien-loai/{letter}"),
    Screen("su-kien-loai-sua", OFFICER, "/su-kien-loai/{letter}/sua"),
    Screen("van-hanh", OPERATOR, "/van-hanh"),
    Screen("nhan-su", MANAGER, "/nhan-su"),
    Screen("nhan-su-them", MANAGER, "/nhan-su/them"),
    Screen("nhan-su-mot", MANAGER, "/nhan-su/{account}"),
    Screen("dinh-danh", MANAGER, "/dinh-danh"),
    Screen("don-vi", MANAGER, "/don-vi"),
    Screen("don-vi-them", MANAGER, "/don-vi/them"),
    Screen("don-vi-mot", MANAGER, "/don-vi/{unit}"),
    Screen("ket-noi", OFFICER, "/don-vi/{sender}"),
    Screen("cach-gui", OFFICER, "/don-vi/{sender}/cach-gui"),
    Screen("de-nghi", MANAGER, "/de-nghi"),
    Screen("bao-cao", EDITOR, "/bao-cao", query="?tu={before}&den={behind}"),
    Screen("bao-cao-so-lieu", EDITOR, "/bao-cao/so-lieu", query=BEHIND),
    Screen("tac-gia", EDITOR, "/bao-cao/tac-gia"),
    Screen("nhat-ky", AUDITOR, "/nhat-ky"),
    Screen("nhat-ky-mot", AUDITOR, "/nhat-ky/{log}/{entry}"),
    Screen("doi-chieu", AUDITOR, "/nhat-ky/doi-chieu"),
    Screen("trich-xuat", AUDITOR, "/nhat-ky/trich-xuat"),
)
TOMORROW = """
import time, time_machine
time_machine.travel(time.time() + 25 * 3600).start()
from consumers.cli import main
main()
"""
LOOKS = {"": Look(1280, 900, "light", 20), "-390": Look(390, 844, "dark", 16)}
"""By what is added to the picture's name."""


def generic(path: str) -> str:
    """A route's address without the names of its parts."""
    return re.sub(r"\{\w+\}", "{}", path)


def test_every_page_of_the_desk_is_a_screen():
    pages = {one.path for one in ROUTES if one.method == "GET"} - NO_SCREENS
    assert {generic(one.route) for one in SCREENS} == set(map(generic, pages))


async def faults_of(page, screen: Screen, sample: SampleDesk) -> list[str]:
    """Open a page; what axe finds, and whether it scrolls sideways, in both looks."""
    await page.context.clear_cookies()
    if screen.login:
        token = {"name": PLAIN_COOKIE, "value": sample.tokens[screen.login], "url": sample.url}
        await page.context.add_cookies([token])
    answer = await page.goto(address(screen, sample))
    found = [] if answer.status == 200 else [f"answers {answer.status}"]
    await load_frames(page)
    for added, look in LOOKS.items():
        await set_look(page, look.width, look.scheme)
        wider = await overflow_px(page)
        found += [*await axe(page), *([f"{wider} pixels too wide"] if wider else [])]
        cut = {} if screen.name in WHOLE else {"tallest": look.height}
        await screenshot(page, f"{screen.name}{added}.webp", colours=look.colours, **cut)
    return [f"{screen.name}: {one}" for one in found]


async def load_frames(page) -> None:
    """Let the frames of a preview load, which they do when one comes to them."""
    for frame in await page.locator("iframe").all():
        await frame.scroll_into_view_if_needed()
        await frame.content_frame.locator("h1:visible, p:visible").first.wait_for()
    await page.evaluate("scrollTo(0, 0)")


def address(screen: Screen, sample: SampleDesk) -> str:
    parts: Mapping[str, str] = {
        "content_id": sample.items.get(screen.item, ""),
        "account": sample.accounts[OFFICER],
        "unit": "van-phong-bo",
        "sender": "trung-tam-cong-nghe-thong-tin",
        "letter": "1",
        "log": "kiem-toan",
        "entry": "1",
        "before": str(day_of(datetime.now(UTC)) - timedelta(days=30)),
        "behind": str(day_of(datetime.now(UTC)) + timedelta(days=1)),
    }
    return f"{sample.url}{screen.route.format_map(parts)}{screen.query.format_map(parts)}"


def count_this_day(loa: LoaProcess) -> None:
    """Rebuild the facts as on the next day: figures are of days that are over."""
    command = [sys.executable, "-c", TOMORROW, "facts", "rebuild"]
    subprocess.run(command, env=loa.environ, cwd=loa.folder, check=True, capture_output=True)


def test_every_screen_is_clean_for_everyone(tmp_path, browser):
    with LoaProcess(tmp_path) as loa, browser.tab() as tab:
        loa.readers(20)
        sample = fill_with_sample(loa)
        count_this_day(loa)
        found = [
            fault
            for screen in SCREENS
            for fault in tab.do(partial(faults_of, screen=screen, sample=sample))
        ]
        assert found == []
        assert (tab.errors, tab.blocked) == ([], [])


def test_the_page_shows_every_screen():
    shown = re.findall(r"\(images/desk/man-hinh/([a-z0-9-]+)\.webp\)", PAGE.read_text("utf-8"))
    assert shown == [one.name + added for one in SCREENS for added in LOOKS]
    assert {path.stem for path in FOLDER.glob("*.webp")} == {*shown}
