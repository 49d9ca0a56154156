"""A citizen's whole way in a real browser, without JavaScript, on a desk and on a phone.

Subscribe, confirm, receive, choose a rhythm, get its digest, leave by the digest's own link: on the
desk the daily one, on the phone the weekly one. The letters come out of the catch-all mailbox.
LOA_TEST_PICTURES names a folder for pictures of the way; docs/images/nguoi-doc holds the first
screens of some.
"""

import asyncio
import re
from datetime import datetime
from functools import partial

import pytest

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.parsing import header_text
from contracts.text.moments import VIETNAM
from tests.deep.process.test_digest import time_passes
from tests.support.browser import images_missing, overflow_px, screenshot
from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess, wait_until

RHYTHMS = {
    1280: ("daily", "Mỗi ngày một bản tổng hợp tin", "Bản tổng hợp tin ngày "),
    390: ("weekly", "Mỗi tuần một bản tổng hợp tin", "Bản tổng hợp tin tuần, đến ngày "),
}
NEWS = {
    1280: ("Nhận kết quả hồ sơ tại nhà", "Tập huấn kỹ năng số cho cán bộ cấp xã"),
    390: ("Cổng thông tin có thêm mục hỏi đáp", "Lịch bảo trì hệ thống tháng 12"),
}
"""Topics that come at once, and those that come in a digest."""
MINISTRY = """LOA_EMAIL_FROM=tin@moha.example
LOA_SITE_PHONE=024 0000 0000
LOA_EMAIL_POSTAL_ADDRESS=8 Tôn Thất Thuyết, Hà Nội
"""
"""Whom to ask, and from which address mails come."""
BELOW = "one => one.getBoundingClientRect().bottom + scrollY - innerHeight"
"""By how many pixels an element ends below the first screen."""
BODY = (
    "Bộ Nội vụ thông báo để người dân, cơ quan, tổ chức biết và thực hiện:\n\n"
    "- Thời gian thực hiện: từ ngày 01/12/2026.\n- Vướng mắc, xin phản ánh đến đơn vị cung cấp tin."
)


@pytest.fixture
def loa(tmp_path):
    """A Loa whose digests are due in this hour: a day later one has the items of that day."""
    now = datetime.now(VIETNAM)
    due = f"LOA_DIGEST_HOUR={now.hour}\nLOA_DIGEST_WEEKDAY={now.isoweekday()}\n"
    (tmp_path / ".env").write_text(due + MINISTRY)
    with LoaProcess(tmp_path) as loa:
        loa.add_unit()
        yield loa


class Subscriber:
    """A subscriber with a mailbox and a browser of some width."""

    def __init__(self, loa: LoaProcess, address: str, width: int) -> None:
        self.loa, self.address, self.width = loa, address, width
        self.url = loa.ready().url
        self.frequency, self.rhythm, self.digest = RHYTHMS[width]
        self.drop = MailFolder(loa.data / "mail")
        self.read = 0

    def mails(self):
        """Mails that have come, oldest first."""
        every = ((one, header_text(one.raw(), "To")) for one in self.drop.newest_first())
        mine = (one for one, to in every if self.address in (to, to.partition("<")[2][:-1]))
        return sorted(mine, key=lambda one: one.name)

    def mail(self, subject: str) -> str:
        """The newest mail, once it has come; its page in the mailbox."""
        found = wait_until(lambda: self.mails()[self.read :], f"{subject} for {self.address}")[-1]
        self.read = len(self.mails())
        assert subject in header_text(found.raw(), "Subject")
        return f"{self.url}/hop-thu-thu/{found.name}/html"

    async def follow(self, page, subject, picture=""):
        """Open a mail and press its button; links of mails open where they are."""
        await page.goto(self.mail(subject))
        await self.keep(page, picture)
        await page.goto(await page.locator("a.button").get_attribute("href"))

    async def keep(self, page, name):
        """The page fits and is whole; a small picture of all of it for people, if wanted."""
        assert await overflow_px(page) == 0
        assert await images_missing(page) == []
        if name:
            await screenshot(page, f"{name}-{self.width}")

    async def heads(self, page, heading, picture=""):
        await page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()
        await self.keep(page, picture)

    async def subscribe(self, page):
        await page.goto(f"{self.url}/dang-ky")
        await page.get_by_role("button", name="Đăng ký").click()
        await page.get_by_text("Có thông tin chưa đúng, xin Quý vị sửa").wait_for()
        await page.get_by_label("Địa chỉ thư điện tử").fill(self.address)
        await page.get_by_label("Họ và tên").fill("Trần Thị Bình")
        await page.get_by_text("Chọn chủ đề", exact=True).click()
        await page.get_by_label("Chuyển đổi số").check()
        await self.keep(page, "")
        await page.get_by_label("Tôi đồng ý").check()
        await page.get_by_role("button", name="Đăng ký").click()
        await self.heads(page, "Xin kiểm tra hộp thư", "2-hop-thu")
        await self.follow(page, "Xác nhận đăng ký", "3-thu-xac-nhan")
        await self.heads(page, "Còn một bước: xác nhận", "4-xac-nhan")
        button = page.get_by_role("button", name="Xác nhận")
        assert await button.evaluate(BELOW) <= 0, "the button is on the first screen"
        await button.click()
        await self.heads(page, "Đăng ký thành công", "5-thanh-cong")

    async def choose(self, page):
        await page.goto(f"{self.url}/dang-ky/quan-ly")
        await page.get_by_label("Địa chỉ thư điện tử").fill(self.address)
        await page.get_by_role("button", name="Gửi liên kết").click()
        await self.heads(page, "Xin kiểm tra hộp thư")
        await self.follow(page, "Liên kết quản lý", "7-thu-quan-ly")
        await page.get_by_role("button", name="Vào trang quản lý").click()
        await self.heads(page, "Đăng ký của Quý vị")
        await page.get_by_label(self.rhythm).check()
        await page.get_by_role("button", name="Lưu lựa chọn").click()
        await page.get_by_role("status").wait_for()
        assert await page.get_by_label(self.rhythm).is_checked()
        await self.keep(page, "8-tuy-chon")
        await page.get_by_role("button", name="Tạm dừng không thời hạn").click()
        await page.get_by_role("button", name="Nhận tin lại").click()
        await page.get_by_text("Đã bật nhận tin trở lại").wait_for()

    async def receive(self, page, url):
        await page.goto(url)
        await self.keep(page, "6-thu-tin")

    async def gathered(self, page, url, title, alone):
        """The digest has what came out since, and not what was sent *alone*."""
        await page.goto(url)
        await page.get_by_role("heading", level=1, name=self.digest).wait_for()
        titles = await page.get_by_role("heading", level=2).all_inner_texts()
        assert title in titles and alone not in titles
        await self.keep(page, "8-ban-tong-hop")
        await page.goto(await page.get_by_role("link", name=title).get_attribute("href"))
        await self.heads(page, title)

    async def leave(self, page, url):
        await page.goto(url)
        await page.goto(await page.get_by_role("link", name="Ngừng nhận").get_attribute("href"))
        await self.heads(page, "Ngừng nhận tin", "9-ngung")
        await page.get_by_role("button", name="Ngừng nhận tin").click()
        await self.heads(page, "Quý vị đã ngừng nhận tin", "10-da-ngung")

    async def beginning(self, page):
        """The empty page, as the way begins."""
        await page.goto(f"{self.url}/dang-ky")
        await self.heads(page, "Đăng ký nhận tin qua thư điện tử", "1-dang-ky")


def test_a_citizen_subscribes_reads_chooses_and_leaves(loa, browser):
    for number, width in enumerate((1280, 390)):
        citizen = Subscriber(loa, f"binh{number}@example.com", width)
        with browser.tab(width=width, height=844, java_script_enabled=False) as tab:
            go_all_the_way(citizen, tab, number)
        before = citizen.mails()
        assert loa.post(news(f"tin-sau-{number}", "Lịch tiếp công dân tháng 12")).status == 202
        assert loa.trace_when_complete(f"tin-sau-{number}")["channels"]["email"]["expected"] == 0
        assert citizen.mails() == before
    letters = re.findall(r'"content_id": "(letter-[a-z2-7]{20})"', loa.log())
    told = loa.trace_when_complete(letters[0])["channels"]["email"]
    assert (told["delivered"], told["complete"]) == (1, True)
    assert "@example.com" not in loa.log()
    checked = loa.cli("check", "--deep")
    assert checked.exit_code == 0, checked.out


def go_all_the_way(citizen, tab, number):
    alone, title = NEWS[citizen.width]
    tab.do(citizen.beginning)
    tab.do(citizen.subscribe)
    assert citizen.loa.post(news(f"tin-ngay-{number}", alone)).status == 202
    tab.do(partial(citizen.receive, url=citizen.mail(alone)))
    tab.do(citizen.choose)
    digest = a_digest_falls_due(citizen, f"tin-gom-{number}", title)
    tab.do(partial(citizen.gathered, url=digest, title=title, alone=alone))
    tab.do(partial(citizen.leave, url=digest))
    assert [said for said in tab.errors if "status of 422" not in said] == []
    assert tab.blocked == []


def a_digest_falls_due(citizen, content_id, title):
    """An item comes out that is only for digests; then a day or a week has passed."""
    loa = citizen.loa
    assert loa.post(news(content_id, title, ["email", "portal"])).status == 202
    assert loa.trace_when_complete(content_id)["channels"]["email"]["expected"] == 0
    digest = asyncio.run(time_passes(loa, citizen.frequency))
    mail = citizen.mail(citizen.digest)
    assert loa.trace_when_complete(digest)["channels"]["email"]["delivered"] == 1
    return mail


def news(content_id, title, channels=("email",)):
    data = {"content_id": content_id, "topic": "chuyen-doi-so", "title": title}
    data["summary"] = f"{title}: việc cần làm, thời gian thực hiện và nơi giải đáp."
    data |= {"body": BODY, "author": None, "links": [], "attachments": []}
    return sample_event(id=content_id, channels=list(channels), cover=None, **data)
