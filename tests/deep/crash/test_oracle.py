"""The judge sees what it is there to see: each kind of contradiction, planted by hand, is named."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from channels.zalo.publications.render import article_marker
from consumers.intake.items import Item
from consumers.ledger.cursor import PlanCursor
from contracts.delivery import ChannelName, PlanKey
from tests.deep.crash import ledger_oracle, zalo_check
from tests.deep.crash.oracle_samples import (
    ACCEPTED,
    MAIL,
    RECORD,
    ZALO,
    received_mails,
    row,
    snapshot,
)


def article(status: str, plan: PlanKey = ZALO, id: str = "x") -> dict[str, Any]:
    marked = article_marker(row("d", "article", plan).delivery_key)
    link = f"https://cong.example/tin/{plan.content_id}#{marked}"
    payload = {"tracking_link": link, "status": status}
    return {"kind": "article_created", "id": id, "payload": payload}


SENT = {"kind": "broadcast_sent", "articles": ["x"]}


def test_a_clean_book_is_acquitted():
    known = snapshot(
        row("d"), row("x", "b"), row("d", "article", ZALO), row("d", "broadcast", ZALO)
    )
    assert [
        *ledger_oracle.lost_events(known, [ACCEPTED]),
        *ledger_oracle.unfinished_batches(known),
    ] == []
    assert [
        *ledger_oracle.doubly_released(known),
        *ledger_oracle.mail_errors(known, received_mails(row("d"))),
    ] == []
    assert list(ledger_oracle.audience_errors(known, [ACCEPTED])) == []
    assert list(zalo_check.zalo_errors(known, [article("show"), SENT])) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"events": {}}, "is in no book"),
        ({"items": {}}, "has no position"),
        ({"positions": {}}, "no record of its position"),
        ({"plans": {MAIL: PlanCursor(complete=True)}}, "never planned for zalo"),
        ({"published": Counter()}, "not in the stream"),
    ],
)
def test_an_accepted_event_that_is_missing_somewhere_is_lost(change, word):
    [found] = ledger_oracle.lost_events(snapshot(row("d"), **change), [ACCEPTED])
    assert found.startswith("lost:")
    assert word in found


def test_a_refusal_of_an_accepted_event_needs_another_event_in_its_place():
    wrong = {"field": "data.revision", "message": "m", "message_vi": "m"}
    record = RECORD.model_copy(update={"refused": (wrong,)})
    refused = snapshot(events={"e1": record})
    assert "was refused" in next(ledger_oracle.lost_events(refused, [ACCEPTED]))
    taken = replace(refused, items={"tin-1": Item(unit="u", positions={1: "e2"})})
    assert "is no dead letter" in next(ledger_oracle.lost_events(taken, [ACCEPTED]))
    assert list(ledger_oracle.lost_events(replace(taken, letters=Counter(e1=1)), [ACCEPTED])) == []


def test_a_position_of_an_event_that_nobody_sent_is_named():
    assert list(ledger_oracle.unknown_positions(snapshot(), [ACCEPTED])) == []
    [found] = ledger_oracle.unknown_positions(snapshot(), [])
    assert found.startswith("unexpected: tin-1.1")


def test_work_that_never_ends_is_named():
    open_plan = snapshot(plans={MAIL: PlanCursor(count=1)})
    assert list(ledger_oracle.unfinished_batches(open_plan)) == ["unfinished: plan email.tin-1.1"]
    half = snapshot(row("d"), row("p", "b"))
    assert "unfinished: email.tin-1.1.0 dp" in list(ledger_oracle.unfinished_batches(half))


def test_a_second_publication_of_one_position_is_named():
    known = snapshot()
    known.published["tin-1.1"] = 2
    assert list(ledger_oracle.doubly_released(known)) == ["released 2 times: tin-1.1"]


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
    found = list(
        ledger_oracle.mail_errors(snapshot(one, copies=copies), received_mails(*[one] * times))
    )
    assert found
    assert found[0].startswith(word)


@pytest.mark.parametrize(("letter", "times"), [("D", 2), ("D", 1), ("X", 1), ("X", 0), ("W", 1)])
def test_what_the_ledger_declares_is_no_fault(letter, times):
    one = row(letter)
    assert (
        list(ledger_oracle.mail_errors(snapshot(one, copies=1), received_mails(*[one] * times)))
        == []
    )


def test_mail_that_nobody_accepted_is_named():
    stranger = row("d", plan=PlanKey(ChannelName.EMAIL, "tin-9", 1))
    [found, *_] = ledger_oracle.mail_errors(snapshot(), received_mails(stranger))
    assert found.startswith("unexpected:")
    wrong = [("b@example.com", received_mails(row("d"))[0][1])]
    assert next(ledger_oracle.mail_errors(snapshot(row("d")), wrong)).startswith("unexpected:")


def test_an_older_text_behind_a_newer_one_is_named():
    newer = row("d", plan=MAIL._replace(revision=2))
    known = snapshot(row("d"), newer)
    assert list(ledger_oracle.mail_errors(known, received_mails(row("d"), newer))) == []
    [found] = ledger_oracle.mail_errors(known, received_mails(newer, row("d")))
    assert found.startswith("order:")


def test_a_reader_who_was_left_out_is_lost():
    [found] = ledger_oracle.audience_errors(snapshot(row("d", "b")), [ACCEPTED])
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
    found = list(zalo_check.zalo_errors(snapshot(row("d", "article", ZALO)), journal))
    assert found
    assert found[0].startswith(word)


@pytest.mark.parametrize(
    ("letter", "times", "word"),
    [("d", 0, "lost:"), ("u", 1, "contradiction:"), ("k", 2, "undeclared duplicate:")],
)
def test_a_broadcast_that_the_ledger_tells_otherwise_is_named(letter, times, word):
    rows = row("d", "article", ZALO), row(letter, "broadcast", ZALO)
    found = list(zalo_check.zalo_errors(snapshot(*rows), [article("show"), *[SENT] * times]))
    assert found
    assert found[0].startswith(word)


def test_a_broadcast_nobody_can_know_of_is_no_fault():
    rows = row("d", "article", ZALO), row("k", "broadcast", ZALO)
    for sent in ([], [SENT]):
        assert list(zalo_check.zalo_errors(snapshot(*rows), [article("show"), *sent])) == []
