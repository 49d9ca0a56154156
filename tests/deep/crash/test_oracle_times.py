"""The judge looks at the clock: what came too late, too soon or too often is named."""

from datetime import timedelta
from typing import Any

import pytest

from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from tests.deep.crash import limits_check, order_check
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row
from tests.deep.crash.oracle_samples import (
    AT,
    MAIL,
    NOW,
    SECOND,
    TAKEN_BACK,
    ZALO,
    article_fact,
    articles,
    expected_texts,
    received_mail,
    row,
    text,
)
from tests.deep.crash.received_mail import CUT, LATER, ReceivedMail
from tests.deep.crash.short_waits import LADDER_S

SHOWN = ZALO._replace(revision=2)


# --- order and withdrawals


def overtaken(*rows: Row, withdrawn: bool = False) -> LedgerSnapshot:
    """The second position was made now, and planned a second later."""
    cursor = PlanCursor(complete=True, created=NOW, finished=NOW + 1)
    plans = dict.fromkeys((MAIL, ZALO), PlanCursor(complete=True, created=NOW - 60))
    plans |= dict.fromkeys((SECOND, SHOWN), cursor)
    texts = text(), text(2, **TAKEN_BACK) if withdrawn else text(2)
    return expected_texts(*rows, texts=texts, plans=plans)


@pytest.mark.parametrize(("withdrawn", "word"), [(True, "after withdrawal:"), (False, "order:")])
@pytest.mark.parametrize(("began_s", "took_s"), [(order_check.WINDOW_S + 1, 0), (0.5, 1)])
def test_an_older_mail_behind_a_newer_position_is_named(withdrawn, word, began_s, took_s):
    one = row("d")
    known = overtaken(one, row("d", plan=SECOND), withdrawn=withdrawn)
    sent = received_mail(one, NOW + began_s, ended=NOW + began_s + took_s)
    [found] = order_check.mail_errors(known, [sent])
    assert found.startswith(word)
    assert list(order_check.mail_errors(known, [received_mail(one, NOW + 0.5)])) == []
    assert (
        list(order_check.mail_errors(known, [received_mail(row("d", plan=SECOND), NOW + 60)])) == []
    )


def test_more_mails_behind_a_halt_than_were_on_the_wire_are_named():
    rows = [row("d", f"r{number:03}") for number in range(26)]
    known = overtaken(*rows, withdrawn=True)
    sent = [received_mail(one, NOW + 0.1) for one in rows]
    assert (
        list(order_check.mail_errors(known, [received_mail(rows[25], NOW - 0.1), *sent[:25]])) == []
    )
    [found] = order_check.mail_errors(known, sent)
    assert found == "after withdrawal: 26 mails of email.tin-1.1.0 behind the halt by 2"


@pytest.mark.parametrize(("withdrawn", "word"), [(True, "after withdrawal:"), (False, "order:")])
def test_an_older_article_behind_a_newer_position_is_named(withdrawn, word):
    known = overtaken(*articles("d", "d"), withdrawn=withdrawn)
    [found] = order_check.article_errors(known, [article_fact(1, NOW + 30)])
    assert found.startswith(word)
    assert list(order_check.article_errors(known, [article_fact(1, NOW + 0.5)])) == []
    assert list(order_check.article_errors(known, [article_fact(1, NOW + 30, "hide")])) == []


def test_an_older_article_that_is_shown_after_a_newer_one_is_named():
    known = overtaken(*articles("d", "d"))
    assert (
        list(order_check.article_errors(known, [article_fact(1, NOW), article_fact(2, NOW)])) == []
    )
    [found] = order_check.article_errors(known, [article_fact(2, NOW), article_fact(1, NOW)])
    assert found == "order: zalo.tin-1.1 article (d) was shown after revision 2"


def test_a_broadcast_of_a_withdrawn_item_is_named():
    known = overtaken(*articles("d", "d"), withdrawn=True)
    sent = {"kind": "broadcast_sent", "articles": ["x"]}
    made = article_fact(1, NOW - 1)
    assert list(order_check.article_errors(known, [made, {**sent, "real": NOW}])) == []
    [found] = order_check.article_errors(known, [made, {**sent, "real": NOW + 60}])
    assert found.startswith("after withdrawal:")
    corrected = overtaken(*articles("d", "d"))
    assert list(order_check.article_errors(corrected, [made, {**sent, "real": NOW + 60}])) == []


# --- bounds


def batch(letters: str, copies: int = 0, plan: Any = MAIL) -> tuple[LedgerSnapshot, list[Row]]:
    """One batch that was open for a minute."""
    rows = [row(letter, f"r{number:03}", plan) for number, letter in enumerate(letters)]
    entry = LedgerEntry(letters.encode(), created=NOW, closed_at=NOW + 60, possible_copies=copies)
    return expected_texts(*rows, entries={rows[0].batch: entry}), rows


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
    found = list(limits_check.declaration_errors(known, [], kills, 0))
    assert [one.startswith("declared too much:") for one in found] == [True] * guilty


def test_an_answer_that_was_cut_off_is_one_doubt():
    known, [one, _] = batch("Dd", 1)
    assert (
        list(limits_check.declaration_errors(known, [received_mail(one, reply=CUT)], [], 0)) == []
    )
    known, [one, _] = batch("DD", 2)
    assert (
        list(limits_check.declaration_errors(known, [received_mail(one, reply=CUT)], [], 0)) != []
    )


@pytest.mark.parametrize(("lost", "guilty"), [(0, True), (1, False)])
def test_a_broadcast_in_doubt_needs_a_kill_or_a_lost_answer(lost, guilty):
    known, _ = batch("dk", plan=ZALO)
    assert bool(list(limits_check.declaration_errors(known, [], [], lost))) is guilty
    assert list(limits_check.declaration_errors(known, [], [NOW + 1], 0)) == []


def tries(one: Row, *gaps_s: float) -> list[ReceivedMail]:
    """Put off again and again."""
    at, found = NOW, [received_mail(one, reply=LATER)]
    for gap_s in gaps_s:
        at += gap_s
        found.append(received_mail(one, at, reply=LATER))
    return found


@pytest.mark.parametrize(
    ("gaps_s", "soon"), [((2.5, 3.0), 0), ((1.6, 2.1), 0), ((1.4, 3.0), 1), ((2.5, 1.9), 1)]
)
def test_who_put_us_off_is_not_tried_before_their_rung(gaps_s, soon):
    one = row("d")
    found = list(limits_check.early_retries(expected_texts(one), tries(one, *gaps_s), []))
    assert [each.startswith("too soon:") for each in found] == [True] * soon


def test_a_refusal_that_a_kill_made_forget_may_be_met_again_at_once():
    one = row("d")
    assert (
        list(limits_check.early_retries(expected_texts(one), tries(one, 0.1), [NOW + 0.05])) == []
    )


def test_the_last_try_before_the_end_may_come_early():
    one, end = row("e"), AT + timedelta(seconds=4)
    known = expected_texts(one, texts=(text(expires_at=end),))
    assert list(limits_check.early_retries(known, tries(one, 2.5, 0.6), [])) == []
    assert list(limits_check.early_retries(known, tries(one, 0.6), [])) != []


def test_more_tries_than_rungs_are_named():
    one, rungs = row("d"), len(LADDER_S)
    assert (
        list(limits_check.early_retries(expected_texts(one), tries(one, *[3.0] * (rungs - 1)), []))
        == []
    )
    [found] = limits_check.early_retries(expected_texts(one), tries(one, *[3.0] * rungs), [])
    assert found.startswith("tried too often:")
