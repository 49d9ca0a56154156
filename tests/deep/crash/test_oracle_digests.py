"""The judge reads digests: what each says, who had which item in which mail, in which order."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from consumers.intake.items import Item
from consumers.ledger.cursor import PlanCursor
from contracts.delivery import BatchKey, PlanKey
from contracts.subscriptions.digest import DigestItem, Issue
from tests.deep.crash import digest_check, ledger_oracle, limits_check, order_check
from tests.deep.crash.ledger_oracle import AcceptedEvent
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row
from tests.deep.crash.oracle_samples import AT, MAIL, received_mails, snapshot
from tests.deep.crash.received_mail import LATER, TAKEN, ReceivedMail, mark
from tests.support.publications import a_publication

DIGEST = PlanKey(MAIL.channel, "digest-daily-2026-11-26", 1)
OTHER = MAIL._replace(content_id="tin-2")
A = "a@example.com"
TOLD = [AcceptedEvent("e1", "tin-1", 1, for_digest=frozenset({A})), AcceptedEvent("e2", "tin-2", 1)]
NOW = AT.timestamp()


def text(plan: PlanKey, **more: Any):
    named = {"content_id": plan.content_id, "revision": plan.revision}
    said = {"title": "Tin", "body": mark(plan.content_id, plan.revision)}
    return a_publication(**(named | said | more))


def an_issue(*items: PlanKey, plan: PlanKey = DIGEST) -> Issue:
    places = [
        DigestItem(content_id=one.content_id, revision=one.revision, seq=n + 1)
        for n, one in enumerate(items)
    ]
    times = {"since": AT - timedelta(days=1), "at": AT, "due": AT, "issued": AT}
    return Issue(
        digest_id=plan.content_id, revision=plan.revision, frequency="daily", after=0, upto=2,
        items=tuple(places), **times,
    )  # fmt: skip


def row(picks: int = 0b11, plan: PlanKey = DIGEST, letter: str = "d") -> Row:
    return Row(plan, "a", ord(letter), BatchKey(*plan, 0), picks)


def known(*rows: Row, released: int = 1, **more: Any) -> LedgerSnapshot:
    """Two items, both in one digest; the first one has so many positions."""
    plans = [*(MAIL._replace(revision=n) for n in range(1, released + 1)), OTHER]
    texts = {digest_check.key(plan): text(plan) for plan in plans}
    item = Item(unit="u", state="released", released=dict.fromkeys(range(1, released + 1), AT))
    issues = {digest_check.key(DIGEST): an_issue(MAIL, OTHER)}
    return snapshot(*rows, **({"texts": texts, "items": {"tin-1": item}, "issues": issues} | more))


def mailed(one: Row, *marked: str, **more: Any) -> ReceivedMail:
    key = one.delivery_key[:32]
    subject = f"Bản tổng hợp tin ngày 26/11/2026: {len(marked)} tin"
    got = ReceivedMail(
        A, f"<{key}@loa.example>", TAKEN, NOW, NOW, subject, (marked, marked), "bytes"
    )
    return replace(got, **more)


def test_a_digest_that_says_what_was_approved_is_no_fault():
    one = row()
    faults = [
        *digest_check.text_errors(known(one), [mailed(one, "tin-1.1", "tin-2.1")] * 2),
        *digest_check.repetition_errors(known(one), TOLD),
        *ledger_oracle.mail_errors(known(one), received_mails(one)),
        *order_check.mail_errors(known(one), [mailed(one, "tin-1.1", "tin-2.1")]),
    ]
    assert faults == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"marks": (("tin-1.1",), ("tin-1.1",))},
        {"marks": (("tin-1.1", "tin-2.1"), ("tin-1.1",))},
        {"marks": (("tin-1.2", "tin-2.1"),) * 2},
        {"subject": "Bản tổng hợp tin ngày 26/11/2026: 3 tin"},
    ],
)
def test_a_digest_that_says_something_else_is_named(wrong):
    one = row()
    [found] = digest_check.text_errors(known(one), [mailed(one, "tin-1.1", "tin-2.1", **wrong)])
    assert found.startswith("wrong text: the digest of")


def test_a_copy_of_a_digest_that_differs_is_named():
    one, first = row(), mailed(row(), "tin-1.1", "tin-2.1")
    [found] = digest_check.text_errors(known(one), [first, replace(first, digest="other")])
    assert "a copy of the digest" in found


def test_an_item_in_two_mails_is_named():
    for other in (row(plan=MAIL, picks=0), row(0b1, DIGEST._replace(content_id="digest-daily-x"))):
        issues = {digest_check.key(plan): an_issue(MAIL, OTHER) for plan in (DIGEST, other.plan)}
        if other.plan == MAIL:
            del issues[digest_check.key(MAIL)]
        [found] = digest_check.repetition_errors(known(row(), other, issues=issues), TOLD)
        assert found.startswith(f"undeclared duplicate: {A} has email.tin-1.1")


@pytest.mark.parametrize("rows", [(), (row(0b10),), (row(letter="v"),)])
def test_an_item_that_a_reader_of_digests_never_got_is_named(rows):
    assert [*digest_check.repetition_errors(known(*rows), TOLD)] == [
        f"lost: {A} reads digests and has no mail with email.tin-1.1"
    ]


def test_whoever_had_a_text_has_to_get_the_newest_and_of_a_withdrawal_nobody_else():
    second = MAIL._replace(revision=2)
    back = {digest_check.key(second): text(second, action="withdrawn", body="", reason="Nhầm.")}
    corrected, withdrawn = known(row(), released=2), known(row(), released=2)
    withdrawn.texts |= back
    for one in (corrected, withdrawn):
        assert [*digest_check.repetition_errors(one, TOLD)] == [
            f"lost: {A} reads digests and has no mail with email.tin-1.2"
        ]
        one.rows.append(row(0, second))
        assert [*digest_check.repetition_errors(one, TOLD)] == []
    assert [*digest_check.repetition_errors(replace(withdrawn, rows=[]), TOLD)] == []


def test_a_digest_that_is_soon_over_is_tried_once_more_before_that():
    one = row()
    put_off = mailed(one, "tin-1.1", "tin-2.1", reply=LATER, ended=NOW)
    tries = [put_off, replace(put_off, reply=TAKEN, began=NOW + 0.6)]
    [found] = limits_check.early_retries(known(one), tries, [])
    assert found.startswith("too soon:")
    issue = an_issue(MAIL, OTHER)
    over = issue.items[0].model_copy(update={"expires_at": AT + timedelta(seconds=1.7)})
    issues = {digest_check.key(DIGEST): issue.model_copy(update={"items": (over, issue.items[1])})}
    assert [*limits_check.early_retries(known(one, issues=issues), tries, [])] == []


def test_a_digest_with_an_older_text_behind_a_newer_one_is_named():
    second = row(0, MAIL._replace(revision=2))
    rows = (row(), second)
    found = [*ledger_oracle.mail_errors(known(*rows, released=2), received_mails(second, row()))]
    assert [one for one in found if one.startswith("order:")] == [
        f"order: email.tin-1.1 arrived in {row()} after revision 2"
    ]
    plans = {second.plan: PlanCursor(complete=True, created=NOW, finished=NOW + 1)}
    mail = mailed(row(), "tin-1.1", "tin-2.1", began=NOW + 60, ended=NOW + 60)
    [found] = order_check.mail_errors(known(*rows, released=2, plans=plans), [mail])
    assert found.startswith("order: a mail for")
