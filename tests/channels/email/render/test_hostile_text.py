"""Hostile text stays text in a mail: nothing becomes active, ends a part or leaves its slot."""

import re

import pytest

from tests.support.mails import mail_recipient, part, sent_mail
from tests.support.publications import a_publication

XSS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[bấm](javascript:alert(1))",
    "[bấm](JaVaScRiPt:alert(1))",
    "[bấm](data:text/html;base64,PHNjcmlwdD4=)",
    "![x](javascript:alert(1))",
    "<svg/onload=alert(1)>",
    "<style>*{display:none}</style>",
    '"><script>alert(1)</script>',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<a href='javascript:alert(1)'>x</a>",
    "<iframe src=//evil.example></iframe>",
    "[x](https://ok.example 'a\"onmouseover=alert(1)')",
)


@pytest.mark.parametrize("attack", XSS)
def test_nothing_in_a_text_becomes_active(attack):
    publication = a_publication(body=attack, title=attack[:150], summary=attack)
    _, mail = sent_mail(publication, mail_recipient(1, publication, name=attack))
    page = part(mail, "html")
    tags = re.findall(r"<\s*([a-zA-Z]+)([^>]*)>", page)
    assert {tag.lower() for tag, _ in tags}.isdisjoint({"script", "img", "svg", "iframe", "object"})
    assert page.count("<style") == 2, "Outlook's, and all others'"
    assert not any(re.search(r"\son\w+\s*=|javascript:|data:", rest, re.I) for _, rest in tags)


def test_character_references_bring_in_nothing_that_was_refused():
    _, mail = sent_mail(a_publication(body="a&#8238;b&#8206;c&#0;d&#27;e&#10;f `x&#8238;`"))
    for kind in ("plain", "html"):
        assert not re.search("[\x00-\x08\x0b-\x1f\u202e\u200e]", part(mail, kind))


FORGED = (
    "--=_loa_{boundary}", "--=_loa_{boundary}--", "loa{seed}xtoZ", "\n.\n", ".\n", "..\n", ".",
)  # fmt: skip


def test_a_text_can_not_end_a_part_or_stand_in_for_a_slot():
    publication = a_publication()
    first, _ = sent_mail(publication)
    boundary = re.search(rb'boundary="=_loa_(\w+)"', first)[1].decode()
    body = "\n\n".join(line.format(boundary=boundary, seed="0" * 24) for line in FORGED)
    forged = a_publication(body=body)
    sent_bytes, mail = sent_mail(forged)
    assert re.search(rb'boundary="=_loa_(\w+)"', sent_bytes)[1].decode() == boundary
    assert len(list(mail.iter_parts())) == 2
    assert f"--=_loa_{boundary}" in part(mail, "plain")
    assert "loa" + "0" * 24 + "xtoZ" in part(mail, "plain")
