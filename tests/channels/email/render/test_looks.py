"""What a mail shows first: what happened to the item, who speaks, what to do, and where to ask."""

import re
from collections import Counter
from datetime import UTC, datetime

import pytest

from channels.case_notice_texts import NOTICE_KINDS
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from tests.channels.email.render.test_parts import Reading, words
from tests.support.mails import (
    PUBLIC_URL,
    a_digest,
    a_full_publication,
    decoded_header,
    decoded_name,
    email_channel,
    mail_recipient,
    named,
    part,
    sent_mail,
)
from tests.support.zalo_notices import sample_notice

ASKED = {"site_phone": "024 3333 4444", "site_email": "hoi-dap@moha.example"}
WHY = "Ghi nghỉ đến hết ngày 09/02; nay sửa là hết ngày 10/02."
CODE = "G09.20-20260609-0092637"
FILE = {"url": "https://m.example/a", "title": "Mẫu", "media_type": "application/pdf", "size": 950}


def letter(kind):
    return TransactionalMail(
        kind=kind,
        address="a@example.com",
        path="/dang-ky/xac-nhan/x",
        other="ng***@example.com",
        text="{}",
        at=datetime(2026, 11, 20, 1, tzinfo=UTC),
        expires_at=datetime(2026, 11, 23, 1, tzinfo=UTC),
    )


def parts_of(content, *, correction=False, **settings):
    """The mail, its text, and its HTML without styles."""
    row = mail_recipient(1, correction=correction, name="Trần Thị B", picks=0b11)
    _, mail = sent_mail(content, row, email_channel(**settings))
    return mail, part(mail, "plain"), re.sub(r' style="[^"]*"', "", part(mail, "html"))


@pytest.mark.parametrize(
    ("action", "prefix", "moment", "button"),
    [
        ("corrected", "Đính chính: ", "Đính chính lúc 09:00 ngày 20/11/2026", "đính chính"),
        ("withdrawn", "Đã gỡ: ", "Gỡ lúc 09:00 ngày 20/11/2026", "Xem thông báo gỡ tin"),
    ],
)
def test_a_correction_and_a_withdrawal_can_not_be_taken_for_news(action, prefix, moment, button):
    news = a_full_publication()
    changed = news.model_copy(update={"action": action, "revision": 2, "reason": WHY})
    mail, text, html = parts_of(changed, correction=True)
    assert decoded_header(mail, "Subject") == f"{prefix}{news.title}"
    body = html.partition('role="article"')[2]
    for shown, title in ((text, prefix), (body, f"<h1>{prefix}")):
        places = [shown.index(moment), shown.index(WHY), shown.index(title)]
        assert places == sorted(places), "the notice, then the title"
        assert shown.count(moment) == 1
    [label] = re.findall(r'class="button"[^>]*>([^<]*)</a>', html)
    assert button in label
    assert label not in parts_of(news)[2]


def test_facts_stand_below_the_title_and_files_say_what_they_are():
    _, text, html = parts_of(a_full_publication(attachments=[FILE]))
    for shown in (text, html):
        order = ["Quy định mới", "Đơn vị soạn tin: Văn phòng Bộ", "Đăng lúc: ", "(PDF, 950 B)"]
        assert [shown.count(one) for one in order[1:]] == [1, 1, 1]
        places = [shown.rindex(order[0], 0, shown.index(order[1])), *map(shown.index, order[1:])]
        assert places == sorted(places)


ALL = {
    "new": a_full_publication(),
    "corrected": a_full_publication(action="corrected", revision=2, reason=WHY),
    "digest": a_digest(named(0), named(1, action="corrected", revision=2, reason=WHY)),
    **{f"notice {kind}": sample_notice(kind) for kind in NOTICE_KINDS},
    **{kind.value: letter(kind) for kind in TransactionalKind},
}


@pytest.mark.parametrize("name", ALL)
def test_every_mail_says_the_same_twice_where_it_is_from_and_what_the_ministry_never_asks(name):
    _, text, html = parts_of(ALL[name], correction=True, **ASKED)
    said, read = words(text), words(Reading(html).text)
    if name == "digest":  # its text names an item's address below the summary
        said, read = Counter(said), Counter(read)
    assert said == read
    for shown in (text, html):
        assert shown.index(PUBLIC_URL) < shown.index("Kính gửi: ")
        assert "không hỏi mật khẩu, mã OTP và không thu tiền" in shown
        assert "điện thoại 024 3333 4444, thư điện tử hoi-dap@moha.example" in shown
    assert re.search(r'class="preview">\w', html), "else programs show the head beside the subject"
    assert "onospace" not in part_style(ALL[name])
    assert "Liên hệ" not in parts_of(ALL[name])[1]


def part_style(content):
    """The HTML with its styles."""
    return part(sent_mail(content, mail_recipient(1, picks=0b11))[1], "html")


@pytest.mark.parametrize("name", [name for name in ALL if " " in name or name in ("new", "digest")])
def test_one_mail_speaks_to_its_reader_in_one_form(name):
    text = parts_of(ALL[name], correction=True)[1]
    assert "Ông (Bà)" in text and "Quý vị" not in text and "ông/bà" not in text


@pytest.mark.parametrize(
    ("authority", "head", "sender"),
    [
        ("Bộ Nội vụ", ["Bộ Nội vụ"], "Bộ Nội vụ"),
        ("Văn phòng Bộ", ["Bộ Nội vụ", "Văn phòng Bộ"], "Bộ Nội vụ - Văn phòng Bộ"),
        (
            "Sở Nội vụ tỉnh Ninh Bình",
            ["Ủy ban nhân dân tỉnh Ninh Bình", "Sở Nội vụ tỉnh Ninh Bình"],
            "Sở Nội vụ tỉnh Ninh Bình, qua Bộ Nội vụ",
        ),
        (
            "Sở Nội vụ thành phố Hà Nội",
            ["Ủy ban nhân dân thành phố Hà Nội", "Sở Nội vụ thành phố Hà Nội"],
            "Sở Nội vụ thành phố Hà Nội, qua Bộ Nội vụ",
        ),
        (
            "Ủy ban nhân dân phường Nghĩa Đô",
            ["Ủy ban nhân dân phường Nghĩa Đô"],
            "Ủy ban nhân dân phường Nghĩa Đô, qua Bộ Nội vụ",
        ),
    ],
)
def test_a_notice_has_the_head_of_the_body_that_decides(authority, head, sender):
    mail, text, html = parts_of(sample_notice("2", authority=authority))
    whose = "Gửi qua trang của Bộ Nội vụ" if "qua" in sender else "Trang thông tin"
    assert text.splitlines()[: len(head) + 1] == [*head, f"{whose}: {PUBLIC_URL}"]
    band = html.partition('class="band"')[2].partition("</td>")[0]
    assert re.findall(r"<p>(?:<strong>)?([^<]+)", band)[: len(head)] == head
    assert decoded_name(mail, "From") == sender
    assert f"Về nội dung hồ sơ, xin hỏi {authority}." in text


def test_a_fee_is_followed_by_the_warning_and_by_how_to_look_without_the_button():
    _, text, html = parts_of(sample_notice("6", detail_url="https://dichvucong.moha.example/h/1"))
    html = html.replace("&nbsp;", "\u00a0")
    boxed = r"1\.250\.000\u00a0đồng\.</p>\s*<div class=\"notice\"><p>Chỉ nộp tại nơi"
    assert len(re.findall(boxed, html)) == 1
    assert re.search(r"1\.250\.000\u00a0đồng\.\n\nChỉ nộp tại nơi", text)
    for shown in (text, html):
        assert "Không chuyển tiền" in shown and "không chuyển tiếp" not in shown
        assert "mở trang dichvucong.moha.example. Có thể tự mở dichvucong.gov.vn" in shown
    assert 'class="notice"' not in parts_of(sample_notice("2"))[2]


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_a_notice_breaks_no_number_doubles_no_word_and_says_why_a_name_is_hidden(kind):
    _, text, html = parts_of(sample_notice(kind))
    body = html.partition('role="article"')[2]
    assert body.count(f'<span class="unbroken">{CODE}</span>') == body.count(CODE) >= 2
    assert "Thủ tục: Cấp bản sao" in text and "Thủ tục: Thủ tục" not in text
    assert "A***\n\n(Tên được che bớt để giữ bí mật.)" in text
    assert "che bớt" not in parts_of(sample_notice(kind, applicant_name="Công ty An"))[1]


@pytest.mark.parametrize("kind", ["confirm", "change"])
def test_what_is_not_confirmed_is_said_to_be_kept_until_when_it_is(kind):
    _, text, _ = parts_of(letter(TransactionalKind(kind)))
    assert "không lưu địa chỉ" not in text
    assert "gửi xong là xóa, chậm nhất khi liên kết hết hiệu lực lúc 08:00 ngày 23/11/2026" in text


def test_the_way_in_says_on_which_device_and_until_when():
    _, text, _ = parts_of(letter(TransactionalKind.MANAGE))
    assert "trên chính thiết bị Quý vị muốn dùng, trước 08:00 ngày 23/11/2026" in text
