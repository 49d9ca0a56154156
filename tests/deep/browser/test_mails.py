"""The mail as a reader sees it: light, dark and narrow, in a real browser.

LOA_TEST_PICTURES=FOLDER keeps the pictures, for people to look at; docs/images/thu holds those of
`-k interruption`.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from channels.base import Recipient
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from tests.support.browser import faults_in_every_look, screenshot, set_look
from tests.support.interruptions import an_interruption
from tests.support.mails import AT, a_digest, a_full_publication, email_channel, sent_mail
from tests.support.publications import a_publication
from tests.support.zalo_notices import sample_notice

SETTINGS = {
    "reply_to": "Hỏi đáp <hoi-dap@moha.example>",
    "site_phone": "024 3333 4444",
    "postal_address": "Số 8 Tôn Thất Thuyết, phường Cầu Giấy, Hà Nội",
}
FORM = {
    "url": "https://moha.example/thong-bao.pdf",
    "title": "Thông báo về việc nghỉ Tết Nguyên đán năm 2027",
    "media_type": "application/pdf",
    "size": 1_234_567,
}
ITEM = {
    "summary": "Công chức, viên chức nghỉ từ ngày 04/02/2027 đến hết ngày 10/02/2027.",
    "body": "Bộ Nội vụ thông báo lịch nghỉ Tết **Nguyên đán** năm 2027:\n\n"
    "- Nghỉ 07 ngày liên tục, từ thứ Năm đến thứ Tư.\n- Các cơ quan phân công trực, giải quyết "
    "hồ sơ của người dân trong những ngày nghỉ.",
    "attachments": [FORM],
}
FIRST = ITEM | {
    "summary": "Công chức, viên chức nghỉ từ ngày 04/02/2027 đến hết ngày 09/02/2027.",
    "body": ITEM["body"].replace("07 ngày liên tục, từ thứ Năm đến thứ Tư", "06 ngày liên tục"),
}
"""As it came out: what the correction mends is still wrong."""
LATER = {"revision": 2, "released_at": datetime(2026, 11, 25, 7, 5, tzinfo=UTC)}
WRONG = "Bản trước ghi: “nghỉ đến hết ngày 09/02/2027”; đúng là: “nghỉ đến hết ngày 10/02/2027”."
TAKEN = (
    "Nội dung đã được thay bằng thông báo chung: "
    "https://thong-bao.moha.example/tin/lich-nghi-le-tet-2027."
)
YESTERDAY = AT - timedelta(hours=20)
RESULT = a_publication(
    content_id="ket-qua",
    topic="tuyen-dung",
    title="Kết quả kiểm tra, sát hạch kỳ tuyển dụng công chức năm 2026",
    summary="Kết quả được niêm yết tại trụ sở Bộ và đăng trên trang thông tin của Bộ Nội vụ.",
    first_released_at=YESTERDAY,
    released_at=YESTERDAY,
)
FEE = {
    "fee": 60_000,
    "payment_place": "Bộ phận Một cửa, Trung tâm Phục vụ hành chính công tỉnh Ninh Bình",
}
LONG = "https://moha.example/" + "van-ban-rat-dai-" * 12
WIDE = (
    f"| Đơn vị hành chính | Thời hạn giải quyết | Nơi trả kết quả |\n|---|---|---|\n"
    f"| Phường Nghĩa Đô | 03 ngày làm việc | [{LONG}]({LONG}) |\n\n```\n{'x' * 300}\n```\n"
)
INTERRUPTION = a_publication(
    content_id="tam-dung-cong-dich-vu-cong",
    topic="thong-bao-tam-ngung-dich-vu",
    title="Tạm dừng Cổng Dịch vụ công của Bộ để nâng cấp trong đêm 05/12/2026",
    summary="",
    body="Hồ sơ đang nộp được giữ nguyên; người dân không phải nộp lại.",
    interruption=an_interruption(datetime(2026, 12, 5, 15, tzinfo=UTC)),
)
LETTER = TransactionalMail(
    kind=TransactionalKind.CONFIRM,
    address="a@example.com",
    path="/dang-ky/xac-nhan/" + "x" * 120,
    at=datetime(2026, 11, 20, tzinfo=UTC),
    expires_at=datetime(2026, 11, 23, tzinfo=UTC),
)
MAILS = {
    "new": (a_publication(**FIRST), False),
    "wide": (a_full_publication(body=WIDE), False),
    "corrected": (a_publication(action="corrected", reason=WRONG, **ITEM | LATER), True),
    "withdrawn": (a_publication(action="withdrawn", reason=TAKEN, **ITEM | LATER), True),
    "interruption": (INTERRUPTION, False),
    "notice": (sample_notice("6", **FEE), False),
    "letter": (LETTER, False),
    "digest": (
        a_digest(RESULT, a_publication(action="corrected", reason=WRONG, **ITEM | LATER)),
        False,
    ),
    "wide digest": (a_digest(a_full_publication(title=LONG, summary="")), False),
}
SCREENS = {"light": (768, "light"), "dark": (768, "dark"), "narrow": (320, "light")}
"""Looks of pictures."""
PAGES_ONLY = ": region: ", "landmark-one-main"
"""Rules of axe for whole pages: a mail is shown inside a page, which has its own main landmark."""
SMALLEST = """() => {
  const sizes = [];
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const parent = texts.currentNode.parentElement;
    if (texts.currentNode.data.trim() && parent.checkVisibility())
      sizes.push(parseFloat(getComputedStyle(parent).fontSize));
  }
  return Math.min(...sizes);
}"""
GROUND = "getComputedStyle(document.querySelector('.cell').closest('table')).backgroundColor"


def html(name):
    publication, correction = MAILS[name]
    row = Recipient("r", "k" * 32, "a@example.com", "Trần Thị Bích Ngọc", correction=correction)
    row = replace(row, picks=0b11)
    _, mail = sent_mail(publication, row, email_channel(**SETTINGS))
    return mail.get_body(("html",)).get_content()


@pytest.fixture(scope="module")
def screen(browser):
    """A tab for all mails."""
    with browser.tab() as tab:
        yield tab


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_can_be_read_on_every_screen(screen, name):
    screen.do(lambda page: page.set_content(html(name)))
    found = screen.do(faults_in_every_look)
    assert [one for one in found if not any(rule in one for rule in PAGES_ONLY)] == []
    assert screen.do(lambda page: smallest_letters(page, name)) >= 16
    assert screen.blocked == [] and screen.errors == []


async def smallest_letters(page, name):
    """Pixels of the least letters of the mail on any screen, of which pictures are taken."""
    sizes = []
    for look, (width, scheme) in SCREENS.items():
        await set_look(page, width, scheme)
        sizes.append(await page.evaluate(SMALLEST))
        await screenshot(page, f"mail-{name}-{look}")
    return min(sizes)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_mail_is_dark_where_the_reader_wants_it_dark(screen, scheme):
    screen.do(lambda page: page.set_content(html("new")))
    screen.do(lambda page: set_look(page, 320, scheme))
    shade = screen.do(lambda page: page.evaluate(GROUND))
    bright = [int(part) > 127 for part in re.findall(r"\d+", shade)[:3]]
    assert bright == [scheme == "light"] * 3
