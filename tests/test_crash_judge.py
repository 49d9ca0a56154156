"""The judge reads what arrived: whatever differs from the approved texts is named."""

import json
from dataclasses import replace

import pytest

from tests import judge
from tests.crash import account, pages
from tests.crash.received import mark, opened
from tests.judge_evidence import (
    MAIL,
    SECOND,
    TAKEN_BACK,
    TOLD,
    articles,
    fact,
    mailed,
    row,
    said,
    text,
)

PORTAL = MAIL._replace(channel="portal")


# --- texts


def test_what_is_as_it_was_approved_is_no_fault():
    first, second = row("d"), row("d", plan=SECOND)
    known = said(first, second)
    assert list(judge.said(known, [mailed(first), mailed(first), mailed(second)])) == []
    told = replace(TOLD, title=text().title, body=text().body)
    assert list(judge.altered(known, [told])) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"subject": "Tin, lần 2"},
        {"marks": (("tin-1.2",), ("tin-1.2",))},
        {"marks": (("tin-1.1",), ("tin-1.2",))},
        {"marks": (("tin-1.1", "tin-1.2"),)},
        {"marks": ()},
    ],
)
def test_a_mail_that_says_something_else_is_named(wrong):
    one = row("d")
    [found] = judge.said(said(one), [mailed(one, **wrong)])
    assert found.startswith("wrong text:")


def test_a_copy_that_differs_is_named():
    one = row("D")
    [found] = judge.said(said(one), [mailed(one), mailed(one, digest="another")])
    assert "a copy of the mail" in found


def test_a_withdrawal_that_repeats_the_old_text_is_named():
    back = row("d", plan=SECOND)
    known = said(back, texts=(text(), text(2, **TAKEN_BACK)))
    assert list(judge.said(known, [mailed(back, marks=((), ()))])) == []
    [found] = judge.said(known, [mailed(back, marks=(("tin-1.1",),))])
    assert found.startswith("wrong text:")


def test_a_release_that_is_not_what_its_sender_said_is_named():
    for told in (replace(TOLD, title="Khác", body=text().body), replace(TOLD, title=text().title)):
        [found] = judge.altered(said(), [told])
        assert found.startswith("wrong text: tin-1.1")


def test_a_mail_is_read_as_readers_read_it():
    body = b"Subject: =?utf-8?b?VGluLCBs4bqnbiAx?=\r\nContent-Type: text/plain; charset=utf-8\r\n"
    body += b"Content-Transfer-Encoding: quoted-printable\r\n\r\nB=E1=BA=A3n tin-1.1.\r\n"
    found = opened(body)
    assert (found["subject"], found["marks"]) == ("Tin, lần 1", (("tin-1.1",),))


# --- the Official Account


def test_an_article_in_the_approved_words_is_no_fault():
    assert list(account.account(said(*articles("d", "d")), [fact(1), fact(2)])) == []


@pytest.mark.parametrize("wrong", [{"title": "Khác"}, {"body": [{"content": mark("tin-1", 2)}]}])
def test_an_article_that_says_something_else_is_named(wrong):
    [found] = account.account(said(*articles("d")), [fact(1, **wrong)])
    assert found.startswith("wrong text: the article")


def test_an_old_article_that_was_shown_last_is_named():
    known = said(*articles("d", "d"))
    found = list(account.account(known, [fact(1), fact(2), {**fact(1), "kind": "article_updated"}]))
    assert [one for one in found if one.startswith("wrong text:") and "revision 1 stands" in one]


# --- the portal


def paged(tmp_path, page: str, entry: str = "", letter: str = "d") -> list[str]:
    folder = tmp_path / "tin" / "tin-1"
    folder.mkdir(parents=True)
    (folder / "index.html").write_text(page)
    (tmp_path / "nguon-tin").mkdir()
    item = {"id": "https://cong.example/tin/tin-1", "content_html": entry or page}
    feed = tmp_path / "nguon-tin" / "tat-ca.json"
    feed.write_text(json.dumps({"items": [item]}))
    one = row("d", "portal", PORTAL)
    last = row(letter, "portal", PORTAL._replace(revision=2))
    found = pages.site(said(last, one), tmp_path, "https://cong.example")
    return [one for one in found if not one.startswith("portal:")]


def test_a_page_in_the_newest_words_is_no_fault(tmp_path):
    assert paged(tmp_path, f"{text(2).title} {text(2).body}") == []


@pytest.mark.parametrize(
    ("page", "entry"),
    [
        (f"{text().title} {text().body}", text(2).body),
        (f"{text(2).title} {text().body}", text(2).body),
        (f"{text(2).title} {text(2).body}", text().body),
    ],
)
def test_a_page_or_an_entry_of_an_older_text_is_named(tmp_path, page, entry):
    [found] = paged(tmp_path, page, entry)
    assert found.startswith("wrong text:")


def test_a_newest_position_that_the_portal_never_showed_is_lost(tmp_path):
    [found] = paged(tmp_path, text(2).title, text(2).body, letter="x")
    assert found.startswith("lost:")
