"""The mail as a reader sees it: light, dark and narrow, in a real browser.

LOA_TEST_PICTURES=FOLDER keeps the pictures, for people to look at.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from channels.base import Recipient
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from tests.support.browser import axe, overflow_px, screenshot
from tests.support.mails import a_digest, a_full_publication, email_channel, named, sent_mail
from tests.support.zalo_notices import sample_notice

ANSWERED = {"reply_to": "Hỏi đáp <hoi-dap@moha.example>"}
LONG = "https://moha.example/" + "van-ban-rat-dai-" * 12
WIDE = (
    f"| Đơn vị hành chính | Thời hạn giải quyết | Nơi trả kết quả |\n|---|---|---|\n"
    f"| Phường Nghĩa Đô | 03 ngày làm việc | [{LONG}]({LONG}) |\n\n```\n{'x' * 300}\n```\n"
)
LETTER = TransactionalMail(
    kind=TransactionalKind.CONFIRM,
    address="a@example.com",
    path="/dang-ky/xac-nhan/" + "x" * 120,
    at=datetime(2026, 11, 20, tzinfo=UTC),
    expires_at=datetime(2026, 11, 23, tzinfo=UTC),
)
MAILS = {
    "new": (a_full_publication(), False),
    "wide": (a_full_publication(body=WIDE), False),
    "corrected": (a_full_publication(action="corrected", revision=2, reason="Sai ngày."), True),
    "withdrawn": (a_full_publication(action="withdrawn", revision=2, reason="Sai số."), True),
    "notice": (sample_notice("6"), False),
    "letter": (LETTER, False),
    "digest": (a_digest(named(0), a_full_publication(title=LONG, summary="")), False),
}
SCREENS = {"light": (900, False), "dark": (900, True), "narrow": (320, False)}
PAGES_ONLY = "region", "landmark-one-main"
"""What axe asks of pages: a mail is shown inside a page, which has its own main landmark."""
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
    _, mail = sent_mail(publication, row, email_channel(**ANSWERED))
    return mail.get_body(("html",)).get_content()


@pytest.fixture(scope="module", params=SCREENS)
def screen(browser, request):
    """A tab of each look, for all mails."""
    width, dark = SCREENS[request.param]
    with browser.tab(width=width, dark=dark) as tab:
        tab.look = request.param
        yield tab


@pytest.mark.parametrize("name", MAILS)
def test_a_mail_can_be_read_on_every_screen(screen, name):
    screen.do(lambda page: page.set_content(html(name)))
    screen.do(lambda page: screenshot(page, f"mail-{name}-{screen.look}"))
    assert screen.do(overflow_px) == 0
    found = [one for one in screen.do(axe) if not one.startswith(PAGES_ONLY)]
    assert found == []
    assert screen.do(lambda page: page.evaluate(SMALLEST)) >= 16
    assert screen.blocked == [] and screen.errors == []


def test_the_mail_is_dark_where_the_reader_wants_it_dark(screen):
    screen.do(lambda page: page.set_content(html("new")))
    shade = screen.do(lambda page: page.evaluate(GROUND))
    bright = [int(part) > 127 for part in re.findall(r"\d+", shade)[:3]]
    assert bright == [screen.look != "dark"] * 3
