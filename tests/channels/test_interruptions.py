"""Every channel states an interruption of services: which, when, until when, what to do instead."""

import json
from datetime import datetime, timedelta
from email import message_from_bytes, policy

import pytest
from lxml import html

from channels.portal.model.item import build_item
from channels.portal.preview import PortalPreview
from channels.portal.search.document import build_document
from channels.zalo.publications.render import render
from contracts.text.moments import VIETNAM
from tests.support.interruptions import SERVICES, an_interruption
from tests.support.mails import (
    a_digest,
    email_channel,
    mail_recipient,
    part,
    sent_mail,
    without_dot_stuffing,
)
from tests.support.portal_dir import PORTAL_SITE
from tests.support.publications import a_publication
from tests.support.zalo_account import SITE

BEGINS = datetime(2027, 1, 16, 22, tzinfo=VIETNAM)
RESUMED = BEGINS + timedelta(hours=5)
FACTS = {
    "Dịch vụ tạm ngừng": "; ".join(SERVICES),
    "Bắt đầu tạm ngừng": "22:00 ngày 16/01/2027 (thứ Bảy)",
    "Dự kiến hoạt động trở lại": "04:00 ngày 17/01/2027 (Chủ nhật)",
    "Lý do": "Nâng cấp hạ tầng",
    "Phương án thay thế": "Nộp hồ sơ trực tiếp tại Bộ phận Một cửa",
}
LINES = [f"{label}: {value}" for label, value in FACTS.items()]


def a_notice(**changes):
    return a_publication(summary="", interruption=an_interruption(BEGINS, **changes))


@pytest.fixture(scope="module")
def portal():
    return PortalPreview(PORTAL_SITE, "/tinh")


def page_of(portal, publication):
    return html.fromstring(portal.page(publication))


def test_the_page_has_the_facts_in_a_box_with_machine_readable_times(portal):
    [box] = page_of(portal, a_notice()).xpath("//section[@aria-labelledby='tam-ngung']")
    pairs = [(one.findtext("dt"), one.find("dd").text_content()) for one in box.iter("div")]
    assert dict(pairs) == FACTS
    times = [one.get("datetime") for one in box.iter("time")]
    assert [datetime.fromisoformat(one) for one in times] == [BEGINS, BEGINS + timedelta(hours=6)]


def test_search_engines_read_the_services_and_the_time(portal):
    [script] = page_of(portal, a_notice()).xpath("//script[@type='application/ld+json']")
    about = json.loads(script.text)
    assert [one["name"] for one in about["about"]] == list(SERVICES)
    begins, ends = map(datetime.fromisoformat, about["temporalCoverage"].split("/"))
    assert (begins, ends) == (BEGINS, BEGINS + timedelta(hours=6))


def test_feeds_lists_and_the_search_of_the_portal_have_the_facts(portal):
    entry = portal.feed_entry(a_notice())
    items = [one.text_content() for one in html.fromstring(entry.html).iter("li")]
    assert items == LINES
    item = build_item(a_notice(), "", PORTAL_SITE)
    assert "22:00 ngày 16/01/2027" in item.excerpt and SERVICES[0] in item.excerpt
    assert all(line in build_document(item, PORTAL_SITE).text for line in LINES)


def test_a_mail_states_the_facts_in_both_parts_and_beside_the_subject():
    _, mail = sent_mail(a_notice())
    text, page = part(mail, "plain"), part(mail, "html")
    assert all(line in text for line in LINES)
    visible = html.fromstring(page).text_content()
    assert all(line in visible for line in LINES)


def test_a_digest_says_when_and_which():
    letter = email_channel().render(a_digest(a_notice())).envelope(mail_recipient(picks=1)).body
    mail = message_from_bytes(without_dot_stuffing(letter), policy=policy.default)
    assert "Tạm ngừng từ 22:00 ngày 16/01/2027 (thứ Bảy)" in " ".join(part(mail, "plain").split())


def test_an_article_on_zalo_begins_with_the_facts():
    article = render(a_notice(), SITE)
    assert article.body[0].split("\n") == LINES
    assert article.description.startswith("Tạm ngừng từ 22:00")


def test_services_that_work_again_are_expected_no_more(portal):
    notice = a_notice(resumed_at=RESUMED.isoformat())
    words = page_of(portal, notice).text_content()
    assert "Đã hoạt động trở lại" in words and "03:00 ngày 17/01/2027 (Chủ nhật)" in words
    assert "Dự kiến hoạt động trở lại" not in words
    assert render(notice, SITE).description.startswith("Đã hoạt động trở lại")


def test_force_majeure_is_told_with_its_reason(portal):
    reason = "Đứt cáp quang do sạt lở"
    words = page_of(portal, a_notice(force_majeure=reason)).text_content()
    assert "bất khả kháng" in words and reason in words


def test_what_is_withdrawn_states_nothing(portal):
    gone = a_notice().model_copy(update={"action": "withdrawn", "body": "", "reason": "Hoãn"})
    _, mail = sent_mail(gone)
    shown = portal.page(gone) + part(mail, "plain") + "\n".join(render(gone, SITE).body)
    assert SERVICES[0] not in shown
