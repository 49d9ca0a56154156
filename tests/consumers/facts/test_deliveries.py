"""The delivery of a plan as a fact: over random histories it says what each row's letter says."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from channels.base import Outcome, Verdict
from consumers.email.bounce_records import BounceTotals
from consumers.facts.deliveries import delivery_fact
from consumers.ledger import moves
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import STATUS_OF_LETTER, LedgerEntry, TimeRules, planned_entry
from contracts.base.times import utc_time
from contracts.delivery import OPEN, ChannelName, Lane, PlanKey, Status
from contracts.facts import DeliveryFact, decode

PLAN = PlanKey(ChannelName.EMAIL, "tin-1", 1)
RULES = TimeRules(give_up_at=9000.0)
V = Verdict
SAYS = (*(V.DELIVERED,) * 5, V.FAILED, V.SUPPRESSED, V.DEFERRED, V.DOUBT)
DELIVERED = Outcome(Verdict.DELIVERED)
STORIES = 200


def a_cursor(entries, **changes) -> PlanCursor:
    planned = sum(len(entry.rows) for entry in entries)
    count = PlanCursor(count=len(entries), planned=planned, total=planned, created=1000.0)
    return replace(count, complete=True, finished=1001.0, **changes)


def a_fact(*entries, **changes) -> DeliveryFact | None:
    return delivery_fact(PLAN, a_cursor(entries, **changes), entries, BounceTotals())


def journey(chance: Random) -> LedgerEntry:
    """A batch in which rows are sent, fail, wait, are in doubt or halted, until all have ended."""
    entry, now = planned_entry(chance.randint(1, 40), Lane.NORMAL, 1000.0), 1000.0
    while not entry.closed_at:
        now += chance.choice((0.5, 5.0, 400.0))
        entry = moves.expire(moves.claim(entry, "o", now, RULES), now, RULES)
        due = moves.due_rows(entry, now, RULES, chance.randint(1, 25))
        entry = moves.grant(entry, due, now, RULES)
        said = {row: Outcome(chance.choice(SAYS), chance.choice(("", "550"))) for row in due}
        if chance.random() < 0.8:
            entry = moves.book(entry, said, now, RULES)
        if chance.random() < 0.05:
            entry = moves.halt(entry, "v2", now)
        if not entry.closed_at:
            entry = moves.release(entry, now) if not moves.sending_rows(entry) else entry
    if chance.random() < 0.2:  # a receipt, long after
        entry = moves.apply_evidence(entry, chance.randrange(len(entry.rows)), now + 99)
    return entry


@pytest.mark.parametrize("chunk", range(4))
def test_a_fact_counts_each_row_by_the_status_that_the_ledger_shows(chunk):
    for seed in range(chunk * STORIES // 4, (chunk + 1) * STORIES // 4):
        entries = [journey(Random(seed * 10 + number)) for number in range(3)]
        fact = a_fact(*entries)
        letters = b"".join(entry.rows for entry in entries)
        assert fact.counts == Counter(STATUS_OF_LETTER[letter] for letter in letters), seed
        assert fact.expected == len(letters)
        assert fact.copies == sum(entry.possible_copies for entry in entries)
        assert fact.ended_at == utc_time(max(entry.closed_at for entry in entries))
        assert (fact.within_10_s or 0) <= fact.count(Status.DELIVERED)
        assert decode(fact.key, fact.encode()) == fact


@pytest.mark.parametrize("seed", range(20))
def test_while_a_row_is_open_there_is_no_fact(seed):
    entries = [journey(Random(seed)), planned_entry(3, Lane.NORMAL, 1000.0)]
    assert a_fact(*entries) is None
    assert {*entries[1].count_by_status()} <= OPEN


def test_a_plan_that_is_not_complete_has_no_fact_and_a_halted_one_has():
    ended = journey(Random(1))
    assert a_fact(ended).expected == len(ended.rows)
    unfinished = replace(a_cursor([ended]), complete=False)
    assert delivery_fact(PLAN, unfinished, [ended], BounceTotals()) is None
    halted = replace(unfinished, halt="v2")
    assert delivery_fact(PLAN, halted, [ended], BounceTotals()).expected == len(ended.rows)
    never = PlanCursor(halt="v2", created=1000.0)
    assert delivery_fact(PLAN, never, [], BounceTotals()) is None


def test_a_fact_says_how_long_it_took_and_how_many_had_it_within_ten_seconds():
    entry = planned_entry(100, Lane.URGENT, 1000.0)
    for number in range(10):
        at, rows = 1002.0 + 2 * number, range(number * 10, number * 10 + 10)
        entry = moves.grant(entry, rows, at, RULES)
        entry = moves.book(entry, dict.fromkeys(rows, DELIVERED), at, RULES)
    fact = a_fact(moves.release(entry, 1030.0), lane=Lane.URGENT)
    assert fact.reached_s == {"first": 2.0, "half": 10.0, "most": 20.0, "all": 20.0}
    assert (fact.within_10_s, fact.lane) == (50, Lane.URGENT)


def test_what_retention_has_removed_has_its_counts_and_replaces_nothing():
    counts = {"expected": 5, "delivered": 3, "failed": 2, "maybe_duplicate": 1, "bounced": 1}
    fact = a_fact(removed=5000.0, counts=counts)
    assert fact.counts == {Status.DELIVERED: 3, Status.FAILED: 2}
    assert (fact.copies, fact.bounced, fact.ended_at) == (1, 1, None)
    assert not fact.replaces(fact.model_copy(update={"copies": 7}))
