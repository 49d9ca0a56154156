"""First lines of a mail: the change to the item, its speaker, the next step, and the contact."""

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
CODE = "H42.20-20260609-0092637"
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
        order = ["Quy định mới", "Đơn vị cung cấp:", "Đăng lúc:", "(PDF, 950 B)"]
        assert [shown.count(one) for one in order[1:]] == [1, 1, 1]
        places = [shown.rindex(order[0], 0, shown.index(order[1])), *map(shown.index, order[1:])]
        assert places == sorted(places)


ALL = {
    "new": a_full_publication(),
    "corrected": a_full_publication(action="corrected", revision=2, reason=WHY),
    "digest": a_digest(named(0), named(1, action="corrected", revision=2, reason=WHY)),
    **{f"notice {kind}": sample_notice(kind) for kind in NOTICE_KINDS},
    **{kind.value: letter(kind) for kind in TransactionalKind},
    "disabled endpoint": letter(TransactionalKind.STAFF).model_copy(
        update={"disabled_endpoint": "van-phong-bo 1f2e: https://he-thong.example.gov.vn"}
    ),
}


@pytest.mark.parametrize("name", ALL)
def test_every_mail_says_the_same_twice_where_it_is_from_and_what_the_ministry_never_asks(name):
    _, text, html = parts_of(ALL[name], correction=True, **ASKED)
    said, read = words(text), words(Reading(html).text)
    if name == "digest":  # its text names an item's address below the summary
        said, read = Counter(said), Counter(read)
    assert said == read
    for shown in (text, html):
        assert shown.index(PUBLIC_URL) < shown.index("Kính gửi")
        assert "không hỏi mật khẩu, mã OTP và không thu tiền" in shown
        asked = "điện thoại 024 3333 4444, thư điện tử hoi-dap@moha.example" in shown
        assert asked != name.startswith("notice"), "the body that decides is asked, not we"
    assert re.search(r'class="preview">\w', html), "else programs show the head beside the subject"
    assert "onospace" not in part_style(ALL[name])
    assert "Liên hệ" not in parts_of(ALL[name])[1]


def part_style(content):
    """The HTML with its styles."""
    return part(sent_mail(content, mail_recipient(1, picks=0b11))[1], "html")


@pytest.mark.parametrize("name", ALL)
def test_one_mail_speaks_to_its_reader_in_one_form(name):
    text = parts_of(ALL[name], correction=True)[1].partition("Kính gửi")[2].partition("\n")[2]
    mine, others = "Quý vị", "Ông (Bà)"
    if name.startswith("notice"):
        mine, others = others, mine
    assert mine.casefold() in text.casefold() and others.casefold() not in text.casefold()


@pytest.mark.parametrize("name", ["new", "corrected", "digest"])
def test_news_is_said_to_replace_no_document(name):
    for shown in parts_of(ALL[name], correction=True)[1:]:
        assert shown.count("xin căn cứ văn bản gốc") == 1


def test_who_passes_a_mail_on_finds_the_address_above_and_the_personal_links_below():
    _, text, html = parts_of(ALL["new"])
    for shown in (text, html.partition('class="button"')[2].partition("</a>")[2]):
        order = [
            f"{PUBLIC_URL}/tin/",
            "không hỏi mật khẩu",
            "Khi chuyển tiếp, xin xóa dòng này và phần bên dưới",
            "/quan-ly",
            "/huy/",
        ]
        places = [shown.rindex(order[0]), *map(shown.index, order[1:])]
        assert places == sorted(places)
        assert "vì địa chỉ này có trong danh sách nhận tin của Bộ Nội vụ." in shown


@pytest.mark.parametrize("action", ["corrected", "withdrawn"])
def test_a_change_says_both_times_asks_to_be_passed_on_and_links_what_its_reason_names(action):
    since = {"corrected": "Đính chính lúc", "withdrawn": "Gỡ lúc"}[action]
    why = "Nhầm với https://thong-bao.moha.example/tin/lich-nghi-le-2027."
    later = {"revision": 2, "released_at": datetime(2026, 11, 25, 7, 5, tzinfo=UTC)}
    news = a_full_publication(action=action, reason=why, attachments=[FILE], **later)
    _, text, html = parts_of(news, correction=True)
    assert "Đăng lần đầu: 09:00 ngày 20/11/2026\n" in text
    assert f"{since}: 14:05 ngày 25/11/2026\n" in text
    pairs = re.findall(r"<td>([^<]+):</td><td>([^<]+)</td>", html)
    assert pairs[-2:] == [
        ("Đăng lần đầu", "09:00 ngày 20/11/2026"),
        (since, "14:05 ngày 25/11/2026"),
    ]
    assert re.search(r'<a [^>]*href="https://thong-bao.moha.example/tin/lich-nghi-le-2027"', html)
    assert re.search(f'class="button" href="[^"]*/tin/{news.content_id}"', html)
    gone = action == "withdrawn"
    for shown in (text, html):
        assert ("Xem thông báo gỡ tin" in shown, "Tin đã gỡ:" in shown) == (gone, gone)
        assert f"/tin/{news.content_id}" in shown
        assert "Nếu đã chuyển tiếp tin này, xin Quý vị báo lại cho người nhận." in shown
        assert ("Tệp kèm theo nội dung đã đính chính" in shown) == (action == "corrected")


@pytest.mark.parametrize(("author", "is_named"), [("Trần Thị B", True), ("VĂN PHÒNG BỘ", False)])
def test_an_author_who_is_the_unit_is_not_named_twice(author, is_named):
    for shown in parts_of(a_full_publication(author=author))[1:]:
        assert ("Tác giả" in shown) == is_named


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
    whose = "Gửi qua trang thông tin của Bộ Nội vụ" if "qua" in sender else "Trang thông tin"
    assert text.splitlines()[: len(head) + 1] == [*head, f"{whose}: {PUBLIC_URL}"]
    band = html.partition('class="band"')[2].partition("</td>")[0]
    assert re.findall(r"<div>(<strong>)?([^<]+)", band)[: len(head)] == [
        *(("", superior) for superior in head[:-1]),
        ("<strong>", head[-1]),
    ]
    assert decoded_name(mail, "From") == sender


CONTACT = ASKED | {"reply_to": "a@moha.example", "postal_address": "Số 8 Tôn Thất Thuyết"}


@pytest.mark.parametrize("authority", ["Bộ Nội vụ", "Văn phòng Bộ", "Sở Nội vụ tỉnh Ninh Bình"])
def test_a_notice_names_one_body_to_ask(authority):
    is_other = authority.startswith("Sở")
    for shown in parts_of(sample_notice("2", authority=authority), **CONTACT)[1:]:
        ours = ("trả lời thư này", "024 3333 4444", "hoi-dap@moha.example", "Tôn Thất Thuyết")
        assert [one in shown for one in ours] == [not is_other] * 4
        assert (f"Mọi vấn đề về hồ sơ, xin liên hệ {authority}. Bộ Nội vụ chỉ chuyển" in shown) == (
            is_other
        )
        assert f"xin báo {authority}." in shown


def test_a_fee_says_where_to_pay_then_warns_and_the_warning_names_no_other_place():
    place = "Bộ phận Một cửa Sở Nội vụ"
    link = "https://dichvucong.moha.example/h/1"
    _, text, html = parts_of(sample_notice("6", detail_url=link, payment_place=place))
    html = html.replace("&nbsp;", "\u00a0")
    warning = "Thư này chỉ báo tin, không kèm tài khoản nhận tiền. Phí, lệ phí chỉ nộp tại nơi nêu"
    boxed = (
        r"1\.250\.000\u00a0đồng\.</p>\s*"
        rf"<p>Nơi nộp: {place}\.</p>\s*<div class=\"notice\"><p>{warning}"
    )
    assert len(re.findall(boxed, html)) == 1
    assert f"1.250.000\u00a0đồng.\n\nNơi nộp: {place}.\n\n{warning}" in text
    for shown in (text, html):
        assert "không chuyển tiền" in shown and "không chuyển tiếp" not in shown
        assert "mở trang dichvucong.moha.example. Có thể tự mở dichvucong.gov.vn" in shown
        assert shown.count("dichvucong.gov.vn") == 1
    assert 'class="notice"' not in parts_of(sample_notice("2"))[2]


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_a_notice_greets_first_and_has_its_fields_as_pairs_with_when_it_was_sent(kind):
    _, text, html = parts_of(sample_notice(kind))
    body = html.partition('role="article"')[2]
    pairs = re.findall(r"<td>([^<]+):</td><td>([^<]+)</td>", body)
    assert ("Thủ tục", "Cấp bản sao và chứng thực tài liệu lưu trữ") in pairs
    assert pairs[-1] == ("Thời điểm thông báo", "08:30 ngày 09/06/2026")
    for shown, title in ((text, "\n\n"), (body, "<h1>")):
        assert [f"{label}: {value}" in text for label, value in pairs] == [True] * len(pairs)
        places = [shown.index("Kính gửi"), shown.index(title, shown.index("Kính gửi"))]
        assert places == sorted(places) and shown.index("Thời điểm thông báo") > places[-1]


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_a_notice_breaks_no_number_doubles_no_word_and_says_why_a_name_is_hidden(kind):
    _, text, html = parts_of(sample_notice(kind))
    body = html.partition('role="article"')[2]
    assert body.count(f'<span class="unbroken">{CODE}</span>') == body.count(CODE) >= 2
    assert "Thủ tục: Cấp bản sao" in text and "Thủ tục: Thủ tục" not in text
    assert "A***\n(Tên được che bớt để bảo vệ dữ liệu cá nhân.)" in text
    assert "che bớt" not in parts_of(sample_notice(kind, applicant_name="Công ty An"))[1]


def test_the_mail_about_a_disabled_endpoint_names_it_and_no_work_at_the_desk():
    mail, text, _ = parts_of(ALL["disabled endpoint"])
    assert "van-phong-bo 1f2e: https://he-thong.example.gov.vn" in text
    assert "Đã ngừng gọi" in decoded_header(mail, "Subject") and "bàn biên tập" not in text


@pytest.mark.parametrize("kind", ["confirm", "change"])
def test_what_is_not_confirmed_is_said_to_be_kept_until_when_it_is(kind):
    _, text, _ = parts_of(letter(TransactionalKind(kind)))
    assert "không lưu địa chỉ" not in text
    assert "xóa địa chỉ này khỏi danh sách chờ, chậm nhất sau 72 giờ." in text


@pytest.mark.parametrize("kind", ["confirm", "manage", "change"])
def test_a_letter_says_until_when_and_what_to_do_if_it_was_not_asked_for_before_the_button(kind):
    _, text, _ = parts_of(letter(TransactionalKind(kind)))
    above = text.partition(f"{PUBLIC_URL}/dang-ky/")[0]
    assert "trước 08:00 ngày 23/11/2026" in above
    assert "Nếu không phải Quý vị" in above and "xin bỏ qua thư này" in above
    assert ("không chuyển tiếp thư này" in above) == (kind == "manage")
