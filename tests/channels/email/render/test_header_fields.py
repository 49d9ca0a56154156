"""The header fields that a mail owes its readers and their providers."""

import re
from email import message_from_bytes

import pytest

from channels.base import Canary, Recipient
from channels.email.doctor.dns_client import DnsClient
from channels.email.doctor.doctor import Doctor
from channels.email.render import canary
from tests.support import mails
from tests.support.zalo_notices import sample_notice

CHANNEL = {
    "reply_to": "Hỏi đáp <hoi-dap@moha.example>",
    "unsubscribe_to": "huy-nhan+tin@moha.example",
}
LOOKS = {
    "new": (mails.a_full_publication(), False),
    "corrected": (mails.a_full_publication(action="corrected", revision=3), True),
    "withdrawn": (mails.a_full_publication(action="withdrawn", revision=2, reason="Sai."), True),
}
ALWAYS = (
    "From", "To", "Reply-To", "Subject", "Date", "Message-ID", "Auto-Submitted",
    "X-Auto-Response-Suppress", "Content-Language", "MIME-Version", "Content-Type",
)  # fmt: skip
OF_LISTS = ("List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID")
THREAD = ("In-Reply-To", "References")


def mail_of(look, **changes):
    publication, correction = LOOKS[look]
    row = mails.mail_recipient(1, publication, correction=correction)
    return mails.sent_mail(publication, row, mails.email_channel(**CHANNEL | changes))[1]


def notice_mail():
    row = Recipient("r", "k" * 32, "a@example.com")
    return mails.sent_mail(sample_notice("6"), row, mails.email_channel(**CHANNEL))[1]


@pytest.mark.parametrize("look", LOOKS)
def test_a_subscribed_mail_has_every_field_once_and_no_other(look):
    names = [name for name, _ in mail_of(look).raw_items()]
    assert sorted(names) == sorted([*ALWAYS, *OF_LISTS, *(THREAD if look != "new" else ())])


def test_a_case_notice_is_no_list_and_offers_no_way_out_of_one():
    mail = notice_mail()
    assert sorted(name for name, _ in mail.raw_items()) == sorted(ALWAYS)
    assert mails.decoded_name(mail, "From") == "Sở Nội vụ tỉnh Ninh Bình, qua Bộ Nội vụ"
    for kind in ("plain", "html"):
        assert "/huy/" not in mail.get_body((kind,)).get_content()


def test_a_canary_is_no_list_either():
    channel = mails.email_channel(**CHANNEL)
    probe = Canary(number=7, at=LOOKS["new"][0].released_at, target="a@example.com")
    body = canary.canary_envelope(probe, channel.context).body
    mail = message_from_bytes(mails.without_dot_stuffing(body))
    assert not [name for name in mail if name.startswith(("List-", "Feedback"))]


def test_one_web_address_and_one_mail_address_end_the_subscription():
    mail = mail_of("new")
    token = mails.SIGNER.token("nguoi-nhan-000001")
    ways = re.findall("<([^>]*)>", mails.raw_header(mail, "List-Unsubscribe"))
    mailto = f"mailto:huy-nhan%2Btin@moha.example?subject={token}"
    assert ways == [f"{mails.PUBLIC_URL}/huy/{token}", mailto]
    assert ways[0].startswith("https://")
    assert mails.raw_header(mail, "List-Unsubscribe-Post") == "List-Unsubscribe=One-Click"
    assert mails.SIGNER.subscriber_of(token) == "nguoi-nhan-000001"


def test_where_nobody_reads_such_mail_there_is_only_the_web_address():
    said = mails.raw_header(mail_of("new", unsubscribe_to=""), "List-Unsubscribe")
    assert re.fullmatch(r"<https://[^<>,\s]+>", said)


def test_help_leads_to_the_page_that_explains_the_subscription():
    mail = mail_of("new")
    assert mails.raw_header(mail, "List-Help") == f"<{mails.PUBLIC_URL}/dang-ky>"
    for kind in ("plain", "html"):
        assert f"{mails.PUBLIC_URL}/dang-ky/quan-ly" in mail.get_body((kind,)).get_content()


def test_a_list_id_is_short_and_the_same_for_every_mail_of_a_topic():
    ids = {mails.raw_header(mail_of(look), "List-Id").rpartition("<")[2] for look in LOOKS}
    assert ids == {"lich-nghi-le.moha.example>"}
    assert mails.decoded_header(mail_of("new"), "List-Id").startswith("Lịch nghỉ lễ")


def test_the_agency_is_named_in_the_header_and_in_the_mail_alike():
    mail = mail_of("new", from_="Bộ Nội vụ (thử) <thong-bao@moha.example>")
    assert mails.decoded_name(mail, "From") == "Bộ Nội vụ (thử) - Văn phòng Bộ"
    assert mails.decoded_name(mail, "Reply-To") == "Hỏi đáp"
    assert mail["Reply-To"].addresses[0].addr_spec == "hoi-dap@moha.example"
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert text.startswith("Bộ Nội vụ (thử)\nVăn phòng Bộ\n")
    assert "trong danh sách nhận tin của Bộ Nội vụ (thử)." in text


@pytest.mark.parametrize(
    ("domain", "path"),
    [("tra-lai.moha.example", b"b@tra-lai.moha.example"), ("", b"thong-bao@moha.example")],
)
def test_a_doctors_mail_comes_from_the_domain_from_which_all_mails_come(domain, path):
    context, now = mails.email_channel(bounce_domain=domain).context, LOOKS["new"][0].released_at
    assert Doctor(context, DnsClient(("127.0.0.1", 53)), now).envelope_sender == path
