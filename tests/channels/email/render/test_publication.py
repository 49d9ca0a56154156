"""Text and structure of a reader's mail."""

import re
from dataclasses import replace
from html import unescape

import pytest

from channels.email.parsing import body_text
from channels.email.render.compiled import CompiledMail, Placeholder, Placeholders
from channels.email.render.publication import RenderedPublication
from channels.email.unsubscribe import HmacSigner
from contracts import keys
from contracts.bulletins import composition
from contracts.delivery import ChannelName
from tests.support.bulletin_history import a_released_item, propose
from tests.support.mails import (
    PUBLIC_URL,
    SIGNER,
    VisibleText,
    a_full_publication,
    decoded_header,
    decoded_name,
    email_channel,
    mail_recipient,
    part,
    raw_header,
    sent_mail,
    without_dot_stuffing,
)
from tests.support.publications import a_publication

EARLIER = {"action": "corrected", "revision": 3}


def test_the_mail_has_a_text_and_an_html_part_in_this_order():
    _, mail = sent_mail()
    assert mail.get_content_type() == "multipart/alternative"
    kinds = [part.get_content_type() for part in mail.iter_parts()]
    assert kinds == ["text/plain", "text/html"]
    assert [part.get_content_charset() for part in mail.iter_parts()] == ["utf-8", "utf-8"]
    assert mail.defects == []
    assert all(part.defects == [] for part in mail.walk())


@pytest.mark.parametrize("title", ["ộ" * 300, "a" * 300, "Nghị quyết số 01 " * 17])
def test_a_long_title_is_the_whole_subject_on_lines_of_78(title):
    publication = a_full_publication(title=title.strip(), short_title="Nghị quyết")
    raw, mail = sent_mail(publication)
    assert decoded_header(mail, "Subject") == publication.title
    subject = re.search(rb"(?m)^Subject: .*\r\n(?: .*\r\n)*", raw)
    assert max(map(len, subject[0].split(b"\r\n"))) <= 78
    words = mail.get_body("plain").get_content().split()
    assert " ".join(publication.title.split()) in " ".join(words)


def test_the_headers_say_who_what_and_how_to_stop():
    publication = a_full_publication()
    row = mail_recipient(7, publication, name="Trần Văn Bình")
    _, mail = sent_mail(publication, row)
    assert decoded_header(mail, "Subject") == publication.title
    assert decoded_name(mail, "From") == "Bộ Nội vụ - Văn phòng Bộ"
    assert mail["From"].addresses[0].addr_spec == "thong-bao@moha.example"
    assert decoded_name(mail, "To") == "Trần Văn Bình"
    assert mail["To"].addresses[0].addr_spec == "a7@example.com"
    assert raw_header(mail, "Date") == "Fri, 20 Nov 2026 09:00:00 +0700"
    link = f"{PUBLIC_URL}/huy/{SIGNER.token(row.id)}"
    assert raw_header(mail, "List-Unsubscribe") == f"<{link}>"
    assert raw_header(mail, "List-Id").endswith("<lich-nghi-le.moha.example>")
    assert raw_header(mail, "Feedback-ID") == "lich-nghi-tet-2027.1:lich-nghi-le:email:loa"
    assert raw_header(mail, "Auto-Submitted") == "auto-generated"
    assert raw_header(mail, "X-Auto-Response-Suppress") == "All"
    assert raw_header(mail, "Content-Language") == "vi"
    assert raw_header(mail, "MIME-Version") == "1.0"
    assert link in part(mail, "plain")
    assert link in part(mail, "html")


@pytest.mark.parametrize(
    "name", ["Nguyễn Văn An", '<b>"Đậu" & Bạn</b>', ".Chấm", "=C3=A1", "Tên rất dài " * 12]
)
def test_the_greeting_is_the_readers_own(name):
    _, mail = sent_mail(row=mail_recipient(1, a_full_publication(), name=name.strip()))
    assert f"Kính gửi: Ông (Bà) {name.strip()}" in part(mail, "plain")
    assert f"Kính gửi: Ông (Bà) {name.strip()}" in " ".join(VisibleText(part(mail, "html")).words)
    assert decoded_name(mail, "To") == name.strip()


@pytest.mark.parametrize(
    ("name", "greeting"),
    [
        *(
            (name, f": {name}")
            for name in ("Bà Nguyễn Thị An", "Văn phòng UBND xã", "CÔNG TY AN BÌNH")
        ),
        *((name, f": Ông (Bà) {name}") for name in ("Bùi Văn An", "Trương Thị Bình", "Đặng Hội")),
        ("", ": Quý vị"),
    ],
)
def test_a_title_stands_before_a_persons_name_alone(name, greeting):
    body, mail = sent_mail(row=mail_recipient(1, a_full_publication(), name=name))
    assert f"Kính gửi{greeting}\n" in part(mail, "plain")
    assert (b"\r\nTo: a1@example.com\r\n" in body) == (not name)


def test_two_renderings_are_the_same_bytes():
    row = mail_recipient(3, a_full_publication())
    assert sent_mail(row=row)[0] == sent_mail(row=row)[0]


def test_readers_share_all_but_what_is_theirs():
    publication = a_full_publication()
    rendered = email_channel().render(publication)
    one, two = (rendered.envelope(mail_recipient(n, publication)).body for n in (1, 2))
    assert one != two
    assert b"a2@example.com" not in one
    assert len(set(one.split(b"\r\n")) - set(two.split(b"\r\n"))) <= 9
    assert rendered.envelope(mail_recipient(1, publication)).recipient == b"a1@example.com"


def test_lines_are_short_ascii_and_end_in_crlf():
    body, _ = sent_mail(a_full_publication(body="x" * 5000 + "\n\n" + "Đ" * 5000))
    assert body.isascii() and body.endswith(b"\r\n")
    assert not {*b"\r\n"} & {*body.replace(b"\r\n", b"")}
    assert max(map(len, body.split(b"\r\n"))) <= 200
    in_parts = body.split(b"\r\n\r\n", 1)[1].split(b"\r\n")
    assert max(map(len, in_parts)) <= 77  # 76, and a doubled dot


def test_the_message_id_is_the_deliverys_and_no_other():
    publication = a_publication()
    rows = [mail_recipient(n, publication) for n in range(50)]
    ids = [raw_header(sent_mail(publication, row)[1], "Message-ID") for row in rows]
    assert ids == [keys.message_id(row.delivery_key, "moha.example") for row in rows]
    other = a_publication(revision=2)
    ids.append(raw_header(sent_mail(other, mail_recipient(1, other))[1], "Message-ID"))
    assert len(set(ids)) == 51


@pytest.mark.parametrize(
    ("changes", "correction", "prefix", "earlier"),
    [
        (EARLIER, True, "Đính chính: ", [1, 2]),
        ({"revision": 2}, True, "Cập nhật: ", [1]),
        ({"action": "corrected", "revision": 500}, True, "Đính chính: ", range(490, 500)),
        (EARLIER, False, "", []),
    ],
    ids=["correction", "update", "many revisions", "news to whoever never got it"],
)
def test_a_new_revision_threads_on_what_the_reader_got_before(changes, correction, prefix, earlier):
    publication = a_publication(**changes)
    row = mail_recipient(1, publication, correction=correction)
    _, mail = sent_mail(publication, row)
    assert decoded_header(mail, "Subject") == f"{prefix}{publication.title}"
    name, email = publication.content_id, ChannelName.EMAIL
    deliveries = [keys.delivery_key(name, revision, email, row.id) for revision in earlier]
    ids = [keys.message_id(delivery, "moha.example") for delivery in deliveries]
    assert (mail["References"] or "").split() == ids
    assert mail["In-Reply-To"] == (ids[-1] if ids else None)
    assert ("là nội dung đúng" in part(mail, "plain")) == (prefix == "Đính chính: ")


def test_a_withdrawal_says_so_and_does_not_repeat_the_text():
    publication = a_full_publication(action="withdrawn", revision=2, reason="Sai số liệu.")
    _, mail = sent_mail(publication, mail_recipient(1, publication, correction=True))
    assert decoded_header(mail, "Subject") == f"Đã gỡ: {publication.title}"
    for kind in ("plain", "html"):
        assert "Lý do: Sai số liệu." in part(mail, kind)
        assert "bản sao" not in part(mail, kind)
        assert "van-ban" not in part(mail, kind)


def test_a_unit_is_named_as_it_was_called_then_and_an_unknown_one_is_left_out():
    _, mail = sent_mail(a_publication(unit="khong-con-nua", topic="khong-con-nua"))
    assert decoded_name(mail, "From") == "Bộ Nội vụ"
    assert raw_header(mail, "List-Id").endswith("<khong-con-nua.moha.example>")


def test_pictures_become_links_so_that_nobody_learns_who_reads():
    _, mail = sent_mail()
    assert "<img" not in part(mail, "html")
    assert '<a href="https://moha.example/so-do.png"' in part(mail, "html")


def test_a_mould_is_compiled_once_for_each_kind_of_reader():
    publication = a_full_publication(**EARLIER)
    rendered = email_channel().render(publication)
    assert isinstance(rendered, RenderedPublication)
    for n in range(10):
        rendered.envelope(mail_recipient(n, publication, correction=bool(n % 2)))
    assert len(rendered.compiled_mails) == 2


def test_a_slot_without_a_value_is_an_error():
    marks = Placeholders("0" * 24)
    mould = CompiledMail(f"To: {marks.marker(Placeholder.TO)}\r\n\r\nx".encode(), marks)
    assert mould.fill({Placeholder.TO: b"a@example.com"}) == b"To: a@example.com\r\n\r\nx\r\n"
    with pytest.raises(KeyError):
        mould.fill({})


def test_leading_dots_are_doubled_once():
    body, mail = sent_mail(a_publication(body="```\n.một\n..hai\n```"))
    assert b"\r\n..m=E1=BB=99t" in body
    assert ".một\n..hai" in part(mail, "plain")
    assert without_dot_stuffing(body).count(b"\r\n.m") == 1


def test_unsubscribe_tokens_name_their_reader_and_can_not_be_forged():
    token = SIGNER.token("nguoi-nhan-1")
    assert SIGNER.subscriber_of(token) == "nguoi-nhan-1"
    assert re.fullmatch(r"[\w.-]+", token, re.ASCII)
    other = HmacSigner(b"o" * 32)
    assert other.subscriber_of(token) is None
    assert HmacSigner(b"o" * 32, b"k" * 32).subscriber_of(token) == "nguoi-nhan-1"
    forged = (token[:-1], token + "A", "x" + token, "", ".", "đ.đ", token.replace(".", ""))
    assert [SIGNER.subscriber_of(text) for text in forged] == [None] * len(forged)
    with pytest.raises(ValueError, match="16 bytes"):
        HmacSigner(b"short")


@pytest.mark.parametrize(
    ("address", "foot"),
    [
        ("Số 8 Tôn Thất Thuyết, Hà Nội", "Bộ Nội vụ. Trụ sở: Số 8 Tôn Thất Thuyết, Hà Nội"),
        ("Số 8 <b>Hà Nội</b>", "Số 8 &lt;b&gt;Hà Nội"),
        ("", ""),
    ],
)
def test_the_agencys_postal_address_stands_at_the_foot_as_text(address, foot):
    wire, _ = sent_mail(channel=email_channel(postal_address=address))
    html = body_text(without_dot_stuffing(wire), "html")
    plain = body_text(without_dot_stuffing(wire), "plain")
    assert foot in html and unescape(foot) in plain
    assert ("Trụ sở" in html) == ("Trụ sở" in plain) == bool(address)


def test_an_item_that_a_reader_has_had_is_a_line_of_the_bulletin():
    items = [a_released_item(name, text=f"Tóm tắt {name}.") for name in ("a", "b")]
    issue = propose(*items)
    publication = a_publication(
        content_id=issue.content_id, bulletin=issue, body=composition.body_of(issue)
    )
    for picks, shown in ((0, "ab"), (1, "b"), (3, "")):
        row = replace(mail_recipient(1, publication), picks=picks)
        text = sent_mail(publication, row)[1].get_body(("plain",)).get_content()
        assert [name for name in "ab" if f"Tóm tắt {name}." in text] == list(shown)
        assert text.index("Tin a") < text.index("Tin b")
