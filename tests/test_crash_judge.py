"""The judge reads what arrived, and looks at the clock: texts, order, withdrawals, bounds."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from channels.zalo.render import marker
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from contracts import keys
from contracts.publication import Publication
from tests import judge
from tests.builders import a_publication
from tests.crash import account, late, limits, pages
from tests.crash.haste import LADDER_S
from tests.crash.received import CUT, LATER, TAKEN, Got, mark, marks, opened
from tests.judge_books import Books, Row
from tests.test_judge import AT, MAIL, TOLD, ZALO, books, row

NOW = AT.timestamp()
SECOND = MAIL._replace(revision=2)
SHOWN = ZALO._replace(revision=2)
PORTAL = MAIL._replace(channel="portal")
TAKEN_BACK = {"action": "withdrawn", "body": "", "reason": "Đăng nhầm."}


def text(revision: int = 1, **more: Any) -> Publication:
    """What was approved for a revision of the item."""
    said = {"title": f"Tin, lần {revision}", "body": mark("tin-1", revision)}
    return a_publication(content_id="tin-1", revision=revision, **(said | more))


def said(*rows: Row, texts: tuple[Publication, ...] = (text(), text(2)), **more: Any) -> Books:
    return books(*rows, texts={one.key: one for one in texts}, **more)


def mailed(one: Row, began: float = NOW, **more: Any) -> Got:
    """A mail as the relay notes it, saying what it should."""
    known = text(one.plan.revision)
    got = Got(
        f"{one.recipient}@example.com",
        keys.message_id(one.delivery_key, "loa.example"),
        TAKEN,
        began,
        began,
        f"Đính chính: {known.title}",
        (marks(known.body), marks(known.body)),
        one.delivery_key,
    )
    return replace(got, **more)


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


def fact(revision: int, at: float = NOW, status: str = "show", **wrong: Any) -> dict[str, Any]:
    """An article comes to say a revision."""
    known, plan = text(revision), ZALO._replace(revision=revision)
    link = f"https://cong.example/tin/tin-1#{marker(row('d', 'article', plan).delivery_key)}"
    payload = {"tracking_link": link, "status": status, "title": known.title}
    payload |= {"body": [{"type": "text", "content": f"<p>{known.body}</p>"}]} | wrong
    kind = "article_created" if revision == 1 else "article_updated"
    return {"kind": kind, "id": "x", "real": at, "payload": payload}


def articles(*letters: str) -> list[Row]:
    return [
        row(letter, "article", ZALO._replace(revision=number))
        for number, letter in enumerate(letters, 1)
    ]


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


# --- order and withdrawals


def overtaken(*rows: Row, withdrawn: bool = False) -> Books:
    """The second position was made now, and planned a second later."""
    cursor = Cursor(complete=True, created=NOW, finished=NOW + 1)
    plans = dict.fromkeys((MAIL, ZALO), Cursor(complete=True, created=NOW - 60))
    plans |= dict.fromkeys((SECOND, SHOWN), cursor)
    texts = text(), text(2, **TAKEN_BACK) if withdrawn else text(2)
    return said(*rows, texts=texts, plans=plans)


@pytest.mark.parametrize(("withdrawn", "word"), [(True, "after withdrawal:"), (False, "order:")])
@pytest.mark.parametrize(("began_s", "took_s"), [(late.WINDOW_S + 1, 0), (0.5, 1)])
def test_an_older_mail_behind_a_newer_position_is_named(withdrawn, word, began_s, took_s):
    one = row("d")
    known = overtaken(one, row("d", plan=SECOND), withdrawn=withdrawn)
    sent = mailed(one, NOW + began_s, ended=NOW + began_s + took_s)
    [found] = late.mail(known, [sent])
    assert found.startswith(word)
    assert list(late.mail(known, [mailed(one, NOW + 0.5)])) == []
    assert list(late.mail(known, [mailed(row("d", plan=SECOND), NOW + 60)])) == []


def test_more_mails_behind_a_halt_than_were_on_the_wire_are_named():
    rows = [row("d", f"r{number:03}") for number in range(26)]
    known = overtaken(*rows, withdrawn=True)
    sent = [mailed(one, NOW + 0.1) for one in rows]
    assert list(late.mail(known, [mailed(rows[25], NOW - 0.1), *sent[:25]])) == []
    [found] = late.mail(known, sent)
    assert found == "after withdrawal: 26 mails of email.tin-1.1.0 behind the halt by 2"


@pytest.mark.parametrize(("withdrawn", "word"), [(True, "after withdrawal:"), (False, "order:")])
def test_an_older_article_behind_a_newer_position_is_named(withdrawn, word):
    known = overtaken(*articles("d", "d"), withdrawn=withdrawn)
    [found] = late.articles(known, [fact(1, NOW + 30)])
    assert found.startswith(word)
    assert list(late.articles(known, [fact(1, NOW + 0.5)])) == []
    assert list(late.articles(known, [fact(1, NOW + 30, "hide")])) == []


def test_an_older_article_that_is_shown_after_a_newer_one_is_named():
    known = overtaken(*articles("d", "d"))
    assert list(late.articles(known, [fact(1, NOW), fact(2, NOW)])) == []
    [found] = late.articles(known, [fact(2, NOW), fact(1, NOW)])
    assert found == "order: zalo.tin-1.1 article (d) was shown after revision 2"


def test_a_broadcast_of_a_withdrawn_item_is_named():
    known = overtaken(*articles("d", "d"), withdrawn=True)
    sent = {"kind": "broadcast_sent", "articles": ["x"]}
    made = fact(1, NOW - 1)
    assert list(late.articles(known, [made, {**sent, "real": NOW}])) == []
    [found] = late.articles(known, [made, {**sent, "real": NOW + 60}])
    assert found.startswith("after withdrawal:")
    corrected = overtaken(*articles("d", "d"))
    assert list(late.articles(corrected, [made, {**sent, "real": NOW + 60}])) == []


# --- bounds


def batch(letters: str, copies: int = 0, plan: Any = MAIL) -> tuple[Books, list[Row]]:
    """One batch that was open for a minute."""
    rows = [row(letter, f"r{number:03}", plan) for number, letter in enumerate(letters)]
    entry = Entry(letters.encode(), created=NOW, closed=NOW + 60, copies=copies)
    return said(*rows, entries={rows[0].batch: entry}), rows


@pytest.mark.parametrize(
    ("letters", "copies", "kills", "guilty"),
    [
        ("D", 1, [], True),
        ("D", 1, [NOW - 1, NOW + 61], True),
        ("D", 1, [NOW + 5], False),
        ("D" * 25, 25, [NOW + 5], False),
        ("D" * 26, 0, [NOW + 5], True),
        ("d", 26, [NOW + 5], True),
        ("d", 50, [NOW + 5, NOW + 6], False),
    ],
)
def test_more_doubts_than_kills_can_leave_are_named(letters, copies, kills, guilty):
    known, _ = batch(letters, copies)
    found = list(limits.declared(known, [], kills, 0))
    assert [one.startswith("declared too much:") for one in found] == [True] * guilty


def test_an_answer_that_was_cut_off_is_one_doubt():
    known, [one, _] = batch("Dd", 1)
    assert list(limits.declared(known, [mailed(one, said=CUT)], [], 0)) == []
    known, [one, _] = batch("DD", 2)
    assert list(limits.declared(known, [mailed(one, said=CUT)], [], 0)) != []


@pytest.mark.parametrize(("lost", "guilty"), [(0, True), (1, False)])
def test_a_broadcast_in_doubt_needs_a_kill_or_a_lost_answer(lost, guilty):
    known, _ = batch("dk", plan=ZALO)
    assert bool(list(limits.declared(known, [], [], lost))) is guilty
    assert list(limits.declared(known, [], [NOW + 1], 0)) == []


def tries(one: Row, *gaps_s: float) -> list[Got]:
    """Put off again and again."""
    at, found = NOW, [mailed(one, said=LATER)]
    for gap_s in gaps_s:
        at += gap_s
        found.append(mailed(one, at, said=LATER))
    return found


@pytest.mark.parametrize(
    ("gaps_s", "soon"), [((2.5, 3.0), 0), ((1.6, 2.1), 0), ((1.4, 3.0), 1), ((2.5, 1.9), 1)]
)
def test_who_put_us_off_is_not_tried_before_their_rung(gaps_s, soon):
    one = row("d")
    found = list(limits.hasty(said(one), tries(one, *gaps_s), []))
    assert [each.startswith("too soon:") for each in found] == [True] * soon


def test_a_refusal_that_a_kill_made_forget_may_be_met_again_at_once():
    one = row("d")
    assert list(limits.hasty(said(one), tries(one, 0.1), [NOW + 0.05])) == []


def test_the_last_try_before_the_end_may_come_early():
    one, end = row("e"), AT + timedelta(seconds=4)
    known = said(one, texts=(text(expires_at=end),))
    assert list(limits.hasty(known, tries(one, 2.5, 0.6), [])) == []
    assert list(limits.hasty(known, tries(one, 0.6), [])) != []


def test_more_tries_than_rungs_are_named():
    one, rungs = row("d"), len(LADDER_S)
    assert list(limits.hasty(said(one), tries(one, *[3.0] * (rungs - 1)), [])) == []
    [found] = limits.hasty(said(one), tries(one, *[3.0] * rungs), [])
    assert found.startswith("tried too often:")
