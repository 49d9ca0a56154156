"""The mail of a digest: blocks drawn once, joined for each reader, and no way out of a block."""

import random
from datetime import timedelta
from email import message_from_bytes, policy

import pytest

from channels.email.render.digest import SELECTIONS_CACHED, opening_sentences
from tests.support.mails import (
    AT,
    DUE,
    PUBLIC_URL,
    a_digest,
    a_full_publication,
    decoded_name,
    email_channel,
    mail_recipient,
    named,
    without_dot_stuffing,
)


def sent(digest, picks, rendered=None, **changes):
    """The raw mail, the parsed one, and its two parts."""
    rendered = rendered or email_channel(reply_to="hoi-dap@moha.example").render(digest)
    raw = rendered.envelope(mail_recipient(picks=picks, **changes)).body
    mail = message_from_bytes(without_dot_stuffing(raw), policy=policy.default)
    return raw, mail, *(part.get_content() for part in mail.iter_parts())


def test_a_mail_has_the_readers_items_and_no_others():
    digest = a_digest(named(0), named(1), named(2))
    raw, mail, text, html = sent(digest, 0b101, name="Nguyễn Văn An")
    assert mail["Subject"] == "Bản tổng hợp tin ngày 26/11/2026 (2 tin)"
    for part in (text, html):
        assert "Kính gửi: Ông (Bà) Nguyễn Văn An" in part
        assert [f"Tin số {n}" in part for n in range(3)] == [True, False, True]
        assert part.count(f"{PUBLIC_URL}/tin/") == 2
        assert "Văn phòng Bộ; Lịch nghỉ lễ, tết; 09:00 ngày 20/11/2026" in part
        assert (
            "Tin từ 07:00 ngày 25/11/2026 đến 07:00 ngày 26/11/2026, theo lựa chọn của Quý vị."
            in part
        )
        assert "kỳ" not in part
    assert max(map(len, raw.split(b"\r\n"))) <= 998


def test_a_weekly_one_says_so_and_is_a_list_of_its_own():
    changes = {"digest_id": "digest-weekly-2026-11-23", "frequency": "weekly"}
    _, mail, text, html = sent(a_digest(named(0), **changes), 1)
    assert mail["List-Id"].endswith("<digest-weekly.moha.example>")
    assert decoded_name(mail, "List-Id") == "Bản tổng hợp tin hằng tuần"
    for part in (text, html):
        assert "Bản tổng hợp tin tuần, đến ngày 23/11/2026" in part


def test_a_late_one_keeps_its_name_and_says_its_whole_window():
    changes = {"digest_id": "digest-weekly-2026-11-23", "frequency": "weekly"}
    window = {"since": DUE - timedelta(days=10), "at": DUE + timedelta(days=3, minutes=5)}
    _, mail, text, html = sent(a_digest(named(0), **changes, **window), 1)
    assert mail["Subject"] == "Bản tổng hợp tin tuần, đến ngày 23/11/2026 (1 tin)"
    for part in (text, html):
        assert "Tin từ 07:00 ngày 16/11/2026 đến 07:05 ngày 29/11/2026" in part


def test_corrections_come_first_and_say_what_was_wrong_and_when():
    late = {"action": "corrected", "revision": 2, "released_at": AT - timedelta(hours=5)}
    said = "Tin đã đăng ghi 09/02; nay sửa là 10/02."
    _, _, text, html = sent(a_digest(named(0), named(1, **late, reason=said), named(2)), 0b111)
    for part in (text, html):
        places = [part.index(f"Tin số {n}") for n in (1, 0, 2)]
        assert places == sorted(places)
        assert "Đính chính: Tin số 1" in part and part.count(said) == 1
        assert "đính chính lúc 02:00 ngày 26/11/2026" in part
        assert f"{PUBLIC_URL}/muc/dinh-chinh/" in part[places[-1] :]
        assert "xin căn cứ văn bản gốc." in part[places[-1] :]


def test_the_headers_are_those_of_all_our_mail():
    _, mail, _, _ = sent(a_digest(named(0)), 1)
    assert mail["List-Unsubscribe"].startswith(f"<{PUBLIC_URL}/huy/")
    assert mail["Feedback-ID"] == "digest-daily-2026-11-26.1:digest-daily:email:loa"
    assert mail["Reply-To"] == "hoi-dap@moha.example"
    assert mail["Date"] == "Thu, 26 Nov 2026 07:00:30 +0700"
    assert mail["In-Reply-To"] is None


def test_a_repeat_has_the_same_bytes():
    digest = a_digest(named(0), a_full_publication())
    assert sent(digest, 0b11)[0] == sent(digest, 0b11)[0]


def test_however_items_are_chosen_parts_are_whole_and_in_order():
    texts = [
        named(0, summary=".bắt đầu bằng dấu chấm"),
        a_full_publication(content_id="tin-1", title="<b>Tin số 1</b> & =3D"),
        named(2, summary="", body="."),
        named(3, language="en", summary="x " * 240),
    ]
    digest = a_digest(*texts)
    rendered = email_channel().render(digest)
    for picks in range(1, 16):
        _, _, text, html = sent(digest, picks, rendered)
        wanted = [n for n in range(4) if picks >> n & 1]
        urls = [f"{PUBLIC_URL}/tin/tin-{n}" for n in wanted]
        assert [line for line in text.splitlines() if line.startswith(f"{PUBLIC_URL}/tin/")] == urls
        places = [html.index(f'"{url}"') for url in urls]
        assert places == sorted(places)
        assert "<b>Tin" not in html
        assert html.count("<div") == html.count("</div>")
        assert html.rstrip().endswith("</html>")
    assert ".bắt đầu bằng dấu chấm" in sent(digest, 1, rendered)[2]


def test_joined_blocks_are_kept_only_for_so_many_choices():
    digest = a_digest(*(named(n) for n in range(12)))
    rendered = email_channel().render(digest)
    for picks in random.Random(1).sample(range(1, 1 << 12), SELECTIONS_CACHED + 40):
        rendered.envelope(mail_recipient(picks=picks))
    assert len(rendered.selections) == SELECTIONS_CACHED


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("# Đầu đề\n\nCâu một. Câu hai! Câu ba.", "Câu một. Câu hai!"),
        ("Xem [tại đây](https://a.example/x.y) nhé. Rồi *thôi*.", "Xem tại đây nhé. Rồi thôi."),
        ("Không có dấu chấm", "Không có dấu chấm"),
        ("- một\n- hai", "- một - hai"),
        ("", ""),
    ],
)
def test_an_item_without_a_summary_begins_with_its_first_sentences(body, said):
    assert opening_sentences(body, PUBLIC_URL) == said


def test_a_long_beginning_ends_between_two_words():
    said = opening_sentences("từ " * 300, PUBLIC_URL)
    assert said.endswith("từ…") and len(said) <= 401
