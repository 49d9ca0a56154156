"""The judge sees what it is there to see: each kind of contradiction, planted by hand, is named."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from channels.zalo.render import marker
from consumers.items import Item
from consumers.ledger.cursor import Cursor
from contracts.delivery import ChannelName, PlanKey
from tests import judge
from tests.crash import account
from tests.judge_evidence import MAIL, RECORD, TOLD, ZALO, books, got, row


def article(status: str, plan: PlanKey = ZALO, id: str = "x") -> dict[str, Any]:
    marked = marker(row("d", "article", plan).delivery_key)
    link = f"https://cong.example/tin/{plan.content_id}#{marked}"
    payload = {"tracking_link": link, "status": status}
    return {"kind": "article_created", "id": id, "payload": payload}


SENT = {"kind": "broadcast_sent", "articles": ["x"]}


def test_a_clean_book_is_acquitted():
    known = books(row("d"), row("x", "b"), row("d", "article", ZALO), row("d", "broadcast", ZALO))
    assert [*judge.lost(known, [TOLD]), *judge.unfinished(known)] == []
    assert [*judge.twice_released(known), *judge.mail(known, got(row("d")))] == []
    assert list(judge.audience(known, [TOLD])) == []
    assert list(account.account(known, [article("show"), SENT])) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"events": {}}, "is in no book"),
        ({"items": {}}, "has no position"),
        ({"positions": {}}, "no record of its position"),
        ({"plans": {MAIL: Cursor(complete=True)}}, "never planned for zalo"),
        ({"published": Counter()}, "not in the stream"),
    ],
)
def test_an_accepted_event_that_is_missing_somewhere_is_lost(change, word):
    [found] = judge.lost(books(row("d"), **change), [TOLD])
    assert found.startswith("lost:")
    assert word in found


def test_a_refusal_of_an_accepted_event_needs_another_event_in_its_place():
    wrong = {"field": "data.revision", "message": "m", "message_vi": "m"}
    record = RECORD.model_copy(update={"refused": (wrong,)})
    refused = books(events={"e1": record})
    assert "was refused" in next(judge.lost(refused, [TOLD]))
    taken = replace(refused, items={"tin-1": Item(unit="u", positions={1: "e2"})})
    assert "is no dead letter" in next(judge.lost(taken, [TOLD]))
    assert list(judge.lost(replace(taken, letters=Counter(e1=1)), [TOLD])) == []


def test_a_position_of_an_event_that_nobody_sent_is_named():
    assert list(judge.uninvited(books(), [TOLD])) == []
    [found] = judge.uninvited(books(), [])
    assert found.startswith("unexpected: tin-1.1")


def test_work_that_never_ends_is_named():
    open_plan = books(plans={MAIL: Cursor(count=1)})
    assert list(judge.unfinished(open_plan)) == ["unfinished: plan email.tin-1.1"]
    half = books(row("d"), row("p", "b"))
    assert "unfinished: email.tin-1.1.0 dp" in list(judge.unfinished(half))


def test_a_second_publication_of_one_position_is_named():
    known = books()
    known.published["tin-1.1"] = 2
    assert list(judge.twice_released(known)) == ["released 2 times: tin-1.1"]


@pytest.mark.parametrize(
    ("letter", "times", "copies", "word"),
    [
        ("d", 0, 0, "lost:"),
        ("D", 0, 9, "lost:"),
        ("x", 1, 0, "contradiction:"),
        ("w", 1, 0, "contradiction:"),
        ("v", 1, 0, "contradiction:"),
        ("d", 2, 9, "undeclared duplicate:"),
        ("D", 3, 1, "undeclared duplicate:"),
    ],
)
def test_ledger_and_mailbox_that_contradict_each_other_are_named(letter, times, copies, word):
    one = row(letter)
    found = list(judge.mail(books(one, copies=copies), got(*[one] * times)))
    assert found
    assert found[0].startswith(word)


@pytest.mark.parametrize(("letter", "times"), [("D", 2), ("D", 1), ("X", 1), ("X", 0), ("W", 1)])
def test_what_the_ledger_declares_is_no_fault(letter, times):
    one = row(letter)
    assert list(judge.mail(books(one, copies=1), got(*[one] * times))) == []


def test_mail_that_nobody_accepted_is_named():
    stranger = row("d", plan=PlanKey(ChannelName.EMAIL, "tin-9", 1))
    [found, *_] = judge.mail(books(), got(stranger))
    assert found.startswith("unexpected:")
    wrong = [("b@example.com", got(row("d"))[0][1])]
    assert next(judge.mail(books(row("d")), wrong)).startswith("unexpected:")


def test_an_older_text_behind_a_newer_one_is_named():
    newer = row("d", plan=MAIL._replace(revision=2))
    known = books(row("d"), newer)
    assert list(judge.mail(known, got(row("d"), newer))) == []
    [found] = judge.mail(known, got(newer, row("d")))
    assert found.startswith("order:")


def test_a_reader_who_was_left_out_is_lost():
    [found] = judge.audience(books(row("d", "b")), [TOLD])
    assert found == "lost: 1 readers are not in email.tin-1.1"


@pytest.mark.parametrize(
    ("journal", "word"),
    [
        ([], "contradiction:"),
        ([article("hide")], "contradiction:"),
        ([article("show"), article("show", id="y")], "undeclared duplicate:"),
        ([article("show", ZALO._replace(content_id="tin-9"))], "unexpected:"),
    ],
)
def test_an_account_that_shows_something_else_than_the_ledger_is_named(journal, word):
    found = list(account.account(books(row("d", "article", ZALO)), journal))
    assert found
    assert found[0].startswith(word)


@pytest.mark.parametrize(
    ("letter", "times", "word"),
    [("d", 0, "lost:"), ("u", 1, "contradiction:"), ("k", 2, "undeclared duplicate:")],
)
def test_a_broadcast_that_the_ledger_tells_otherwise_is_named(letter, times, word):
    rows = row("d", "article", ZALO), row(letter, "broadcast", ZALO)
    found = list(account.account(books(*rows), [article("show"), *[SENT] * times]))
    assert found
    assert found[0].startswith(word)


def test_a_broadcast_nobody_can_know_of_is_no_fault():
    rows = row("d", "article", ZALO), row("k", "broadcast", ZALO)
    for sent in ([], [SENT]):
        assert list(account.account(books(*rows), [article("show"), *sent])) == []
