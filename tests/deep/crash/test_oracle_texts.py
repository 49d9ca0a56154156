"""The judge reads what arrived: whatever differs from the approved texts is named."""

import json
from dataclasses import replace

import pytest

from tests.deep.crash import ledger_oracle, portal_check, zalo_check
from tests.deep.crash.oracle_samples import (
    ACCEPTED,
    MAIL,
    SECOND,
    TAKEN_BACK,
    article_fact,
    articles,
    expected_texts,
    received_mail,
    row,
    text,
)
from tests.deep.crash.received_mail import mark, parsed_mail

PORTAL = MAIL._replace(channel="portal")


# --- texts


def test_what_is_as_it_was_approved_is_no_fault():
    first, second = row("d"), row("d", plan=SECOND)
    known = expected_texts(first, second)
    assert (
        list(
            ledger_oracle.text_errors(
                known, [received_mail(first), received_mail(first), received_mail(second)]
            )
        )
        == []
    )
    told = replace(ACCEPTED, title=text().title, body=text().body)
    assert list(ledger_oracle.altered_publications(known, [told])) == []


@pytest.mark.promise("3.3")
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
    [found] = ledger_oracle.text_errors(expected_texts(one), [received_mail(one, **wrong)])
    assert found.startswith("wrong text:")


def test_a_copy_that_differs_is_named():
    one = row("D")
    [found] = ledger_oracle.text_errors(
        expected_texts(one), [received_mail(one), received_mail(one, digest="another")]
    )
    assert "a copy of the mail" in found


def test_a_withdrawal_that_repeats_the_old_text_is_named():
    back = row("d", plan=SECOND)
    known = expected_texts(back, texts=(text(), text(2, **TAKEN_BACK)))
    assert list(ledger_oracle.text_errors(known, [received_mail(back, marks=((), ()))])) == []
    [found] = ledger_oracle.text_errors(known, [received_mail(back, marks=(("tin-1.1",),))])
    assert found.startswith("wrong text:")


def test_a_release_that_is_not_what_its_sender_said_is_named():
    for told in (
        replace(ACCEPTED, title="Khác", body=text().body),
        replace(ACCEPTED, title=text().title),
    ):
        [found] = ledger_oracle.altered_publications(expected_texts(), [told])
        assert found.startswith("wrong text: tin-1.1")


def test_a_mail_is_read_as_readers_read_it():
    body = b"Subject: =?utf-8?b?VGluLCBs4bqnbiAx?=\r\nContent-Type: text/plain; charset=utf-8\r\n"
    body += b"Content-Transfer-Encoding: quoted-printable\r\n\r\nB=E1=BA=A3n tin-1.1.\r\n"
    found = parsed_mail(body)
    assert (found["subject"], found["marks"]) == ("Tin, lần 1", (("tin-1.1",),))


# --- the Official Account


def test_an_article_in_the_approved_words_is_no_fault():
    assert (
        list(
            zalo_check.zalo_errors(
                expected_texts(*articles("d", "d")), [article_fact(1), article_fact(2)]
            )
        )
        == []
    )


@pytest.mark.parametrize("wrong", [{"title": "Khác"}, {"body": [{"content": mark("tin-1", 2)}]}])
def test_an_article_that_says_something_else_is_named(wrong):
    [found] = zalo_check.zalo_errors(expected_texts(*articles("d")), [article_fact(1, **wrong)])
    assert found.startswith("wrong text: the article")


def test_an_old_article_that_was_shown_last_is_named():
    known = expected_texts(*articles("d", "d"))
    found = list(
        zalo_check.zalo_errors(
            known,
            [article_fact(1), article_fact(2), {**article_fact(1), "kind": "article_updated"}],
        )
    )
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
    found = portal_check.site_errors(expected_texts(last, one), tmp_path, "https://cong.example")
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
