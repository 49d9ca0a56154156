"""Hostile text of units and readers in mails and on readers' pages stays text, by a real parser."""

from collections import Counter
from typing import Any

import lxml.html
import pytest

from tests.support.hostile_portal import ITEMS, LINES, TEXTS
from tests.support.html_shape import MARKDOWN, MARKDOWN_ATTRIBUTES, faults, shape
from tests.support.mails import a_full_publication, mail_recipient, part, sent_mail
from tests.support.signup_app import SignupApp, signup_form

LEAST = 300


@pytest.mark.parametrize(
    "wrong", ["<svg></svg>", "<p onclick=a>", "<a href=java&#10;script:a>x</a>"]
)
def test_what_is_wrong_is_seen(wrong):
    assert len(faults(f"<html><body>{wrong}", ({"html", "body", "p", "a"}, {"href"}))) == 1


def test_no_mail_holds_more_than_its_author_may_write():
    """HTML parts by a parser; the names of the headers are those of a harmless mail."""
    harmless = sent_mail(a_full_publication())[1]
    elements, attributes = shape(part(harmless, "html"))
    known = elements | MARKDOWN, attributes | MARKDOWN_ATTRIBUTES
    allowed = Counter(name.lower() for name in harmless.keys())  # noqa: SIM118 -- names repeat
    found: list[Any] = []
    for number, item in enumerate(ITEMS):
        raw, mail = sent_mail(item, mail_recipient(number, item, name=LINES[number][:100]))
        if wrong := faults(part(mail, "html"), known):
            found.append((number, wrong))
        more = Counter(name.lower() for name in mail.keys()) - allowed  # noqa: SIM118 -- as above
        if more or raw.count(b"\r\n\r\n.\r\n"):
            found.append((number, dict(more)))
    assert len(ITEMS) >= LEAST
    assert not found, f"{len(ITEMS)} mails, {len(found)} hits: {found[:3]}"


@pytest.mark.parametrize("field", ["name", "email"])
async def test_no_page_of_readers_holds_more_than_its_own_elements(bus, clock, tmp_path, field):
    app = SignupApp(bus, tmp_path, clock)
    other = {"email": "khong-phai-dia-chi"} if field == "name" else {}
    found: list[Any] = []
    shown = 0
    async with app.client() as browser:
        first = await browser.post("/dang-ky", data=signup_form() | {"email": "x"} | other)
        known = shape(first.text)
        for text in TEXTS:
            clock.advance(60)
            answer = await browser.post("/dang-ky", data=signup_form() | other | {field: text})
            page = lxml.html.document_fromstring(answer.text)
            shown += page.xpath(f"//input[@name='{field}']/@value") == [" ".join(text.split())]
            if wrong := faults(answer.text, known):
                found.append((text, wrong))
            assert answer.status_code < 500
    story = f"{len(TEXTS)} texts, {shown} shown again, {len(found)} hits: {found[:3]}"
    assert len(TEXTS) >= LEAST
    assert shown > LEAST / 2, story
    assert not found, story
