"""The two parts of a mail say the same, for any text; and it stays a small mail."""

import re

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.support.mails import (
    LONG_BODY,
    PUBLIC_URL,
    VisibleText,
    a_digest,
    a_full_publication,
    email_channel,
    mail_recipient,
    part,
    sent_mail,
)
from tests.support.publications import a_publication

GMAIL_CUTS = 102_000
PIECES = (
    "Bộ Nội vụ", "hồ sơ số 01/2027", "Đường", "ưỡ", " ", " ", "\n", "\n\n", "# ", "### ", "- ",
    "  - ", "1. ", "7) ", "> ", "---", "```", "    mã", "| a | b |\n|---|---|\n| c | d |\n\n",
    "**", "*", "_", "`", "[", "](https://moha.example/a?b=1&c=2)", "](/van-ban/12)", "](../tin)",
    "]()", "](#muc)", "](ftp://moha.example/x)", "](http://[::1)", "](tel:19001234)",
    "](mailto:a@moha.example)", "](javascript:alert(1))", "![",
    "](https://moha.example/so-do.png \"Sơ đồ\")", "<b>", "<", ">", "<https://moha.example/t>",
    "&amp;", "&#8238;", "\\", "!", "(", ")", "https://moha.example",
)  # fmt: skip


class Reading(VisibleText):
    """Text of the HTML, as one would type it: words, numbers of lists, addresses of links."""

    def __init__(self, page):
        self.links, self.numbers = [], []
        super().__init__(page)

    def handle_starttag(self, tag, attrs):
        super().handle_starttag(tag, attrs)
        attrs = dict(attrs)
        if tag in ("ol", "ul"):
            self.numbers.append(int(attrs.get("start", 1)) if tag == "ol" else None)
        elif tag == "li" and self.numbers[-1] is not None:
            self.text += f"{self.numbers[-1]} "
            self.numbers[-1] += 1
        elif tag == "a":
            self.links.append((attrs["href"], len(self.text)))

    def handle_endtag(self, tag):
        super().handle_endtag(tag)
        if tag in ("ol", "ul"):
            self.numbers.pop()
        elif tag == "a":
            href, start = self.links[-1]
            self.text += "" if self.text[start:] == href else f" ({href})"


def words(text):
    return re.findall(r"\w+", text.replace("_", " "))


def parts(publication, **changes):
    row = mail_recipient(1, publication, correction=publication.revision > 1)
    _, mail = sent_mail(publication, row, email_channel(reply_to="a@moha.example", **changes))
    plain, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    return plain.replace("\r\n", "\n"), html.replace("\r\n", "\n")


def check_same(publication):
    plain, html = parts(publication)
    reading = Reading(html)
    assert words(plain) == words(reading.text)
    for href, _ in reading.links:
        assert re.match("(https?|mailto|tel):", href), "a link that leads nowhere"
        assert href in plain
    return reading


@hypothesis.given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@hypothesis.example(LONG_BODY)
@hypothesis.settings(max_examples=200)
def test_whatever_an_author_writes_both_parts_say_the_same(body):
    check_same(a_full_publication(body=body))


@hypothesis.given(
    body=st.text("aăồ *_`[]()!<>#-+.|1&\\\n~=:/\"'", max_size=200),
    title=st.text("aăồ *_<>&\"'.", min_size=3, max_size=40).map(lambda text: f"Tin {text} mới"),
    said=st.sampled_from(["", "Sửa <số> liệu & ngày."]),
)
@hypothesis.settings(max_examples=80)
def test_odd_characters_are_the_same_in_both_parts(body, title, said):
    changes = {"action": "corrected", "revision": 2, "reason": said}
    check_same(a_full_publication(body=body, title=title, summary=said, **changes))


def test_relative_links_lead_to_the_portal_and_dead_ones_are_mere_words():
    body = "[Văn bản](/van-ban/12), [mục](#hai), [tệp](ftp://x.example/y), [hỏng](http://[::1)"
    plain, html = parts(a_full_publication(body=body))
    for shown in (plain, html):
        assert f"{PUBLIC_URL}/van-ban/12" in shown
        assert f"{PUBLIC_URL}/tin/lich-nghi-tet-2027#hai" in shown
        assert "ftp://" not in re.sub(r"\[.*?\)", "", shown)
    assert "Văn bản" in plain and "tệp" in plain


def test_a_picture_in_a_link_is_the_words_of_that_link():
    body = "[![Sơ đồ](https://moha.example/s.png)](https://m.example/t)"
    _, html = parts(a_full_publication(body=body))
    assert ">Sơ đồ</a>" in html
    assert "s.png" not in html


def test_headings_begin_below_the_mails_own():
    body = "### Một\n\n#### Hai\n\n### Ba"
    _, html = parts(a_full_publication(body=body, links=(), attachments=()))
    assert re.findall(r"<(h\d)", html) == ["h1", "h2", "h3", "h2"]


def test_a_blank_line_parts_a_list_from_the_heading_behind_it():
    plain, _ = parts(a_full_publication(body="## Một\n\n- tin\n\n## Hai\n\nĐoạn."))
    assert "- tin\n\nHai\n\n" in plain


def test_files_say_what_they_are_and_how_large():
    known = (
        {"media_type": "application/pdf", "size": 1_234_567},
        {"size": 950},
        {"media_type": "application/zip"},
        {"size": 25_000},
    )
    file = {"url": "https://moha.example/a", "title": "Mẫu"}
    plain, html = parts(a_full_publication(attachments=[file | facts for facts in known]))
    for shown in (" (PDF, 1,2 MB)", " (950 B)", " (ZIP)", " (25 KB)"):
        assert shown in plain and shown in html


TABLE = "| a | b |\n|---|---|\n| c | d |"


def head_styles(html):
    """The style element that all mail programs read."""
    [styles] = re.findall(r"(?<!-->)<style>(.*?)</style></head>", html, re.S)
    return styles.rpartition("<style>")[2]


def test_what_no_mail_can_be_read_without_stands_on_the_elements():
    _, html = parts(a_full_publication())
    for place, style in {
        '<h1 style="': "font-size:25px",
        '<td class="band" style="': "background-color:",
        '<td class="cell" style="': "font-size:17px",
        '<td class="foot" style="': "font-size:16px",
        '<a class="button" ': "background-color:",
        '<table class="data" ': 'border="1"',
    }.items():
        assert style in html.partition(place)[2].partition(">")[0], place
    assert html.index('charset="utf-8"') < 1024
    assert "@import" not in html and "url(" not in html


@pytest.mark.parametrize(
    ("body", "styled"),
    [("Một đoạn.", set()), (TABLE, {".data"}), ("> Một\n\n---", {"blockquote", "hr"})],
)
def test_the_head_has_the_styles_of_the_elements_that_a_mail_has(body, styled):
    _, html = parts(a_publication(body=body))
    selectors = re.findall(r"([^{}]+)\{[^{}]*\}", head_styles(html))
    names = {name for one in selectors for name in re.split("[ ,]", one)}
    assert names & {".data", "blockquote", "hr", "pre", "h2", ".notice"} == styled
    assert {":root", "a", ".facts", ".never", ".cell", ".button"} <= names
    assert "prefers-color-scheme:dark" in html and "max-width:480px" in html


def test_a_digest_has_the_styles_of_all_its_items():
    digest = a_digest(a_publication(action="corrected", revision=2, reason="Sửa ngày."))
    _, mail = sent_mail(digest, mail_recipient(1, picks=1), email_channel())
    styles = head_styles(part(mail, "html"))
    assert "h2{" in styles and ".notice p{" in styles and "hr{" in styles


def test_a_mail_is_small_enough_to_travel_fast_and_to_be_shown_whole():
    assert len(sent_mail(a_publication())[0]) < 10_500
    assert len(sent_mail()[0]) < 14_000
    article = "Người dân nộp hồ sơ trực tuyến trên cổng. " * 800  # 7,200 words
    _, html = parts(a_full_publication(body=article))
    assert len(html.encode()) < GMAIL_CUTS


def test_without_an_address_for_answers_the_mail_asks_for_none():
    publication = a_full_publication()
    asked = "xin trả lời thư này"
    assert asked in parts(publication)[0]
    _, mail = sent_mail(publication, mail_recipient(1, publication), email_channel())
    assert asked not in mail.get_body(("plain",)).get_content()
