"""No sequence of moves breaks the ledger's rules."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from channels.base import Outcome, Verdict
from consumers.ledger import codec, moves
from consumers.ledger.entry import (
    OPEN_LETTERS,
    STATUS_OF_LETTER,
    LedgerEntry,
    is_maybe,
    planned_entry,
)
from contracts.delivery import Lane, Status
from tests.support.ledger_rules import NOW, RULES

SEND = [
    Verdict.DELIVERED,
    Verdict.FAILED,
    Verdict.SUPPRESSED,
    Verdict.DEFERRED,
    Verdict.HELD,
    Verdict.UNSENT,
    Verdict.DOUBT,
]
RESOLVE = [
    Verdict.DELIVERED,
    Verdict.ABSENT,
    Verdict.RESEND,
    Verdict.UNKNOWN,
    Verdict.DOUBT,
    Verdict.FAILED,
    Verdict.SUPPRESSED,
]


def move(
    state: LedgerEntry, step: str, random, now: float
) -> tuple[LedgerEntry, dict[int, Outcome]]:
    """The next state, and what was said of which rows; other steps only look at the rows."""
    rows = [row for row in range(len(state.rows)) if random.random() < 0.6]
    said = {row: Outcome(random.choice(SAYS.get(step, SEND))) for row in rows}
    return STEPS[step](state, said, random, now), said


SAYS = {"book": SEND, "resolve": RESOLVE}
CLEARS_A_DOUBT = {Verdict.DELIVERED, Verdict.ABSENT}
STEPS = {
    "claim": lambda s, said, r, now: moves.claim(s, f"o{r.random()}", now, RULES),
    "grant": lambda s, said, r, now: moves.grant(s, list(said), now, RULES),
    "book": lambda s, said, r, now: moves.book(s, said, now, RULES),
    "resolve": lambda s, said, r, now: moves.resolve(s, said, now),
    "halt": lambda s, said, r, now: moves.halt(s, r.choice(["v2", "w3"]), now),
    "expire": lambda s, said, r, now: moves.expire(
        s, now, replace(RULES, give_up_at=r.choice([0, 1e12, 1e12, 1e12]))
    ),
    "suppress": lambda s, said, r, now: moves.suppress(s, dict.fromkeys(said, "bounced 5.1.1")),
    "evidence": lambda s, said, r, now: moves.apply_evidence(s, min(said), now) if said else s,
    "release": lambda s, said, r, now: moves.release(s, now),
}
OFTEN = [*STEPS, *["claim", "grant", "book", "resolve"] * 4]
"""Steps that keep a batch alive come more often than those that end it."""
journeys = st.tuples(
    st.integers(1, 6),
    st.lists(st.sampled_from(OFTEN), min_size=12, max_size=40),
    st.integers(0, 2**32),
)


@pytest.mark.promise("3.4")
def test_no_sequence_of_moves_breaks_the_rules():
    doubts: set[tuple[str, Verdict]] = set()

    @settings(max_examples=600, deadline=None)
    @given(journeys)
    def walk(journey):
        count, steps, seed = journey
        state, random = planned_entry(count, Lane.BULK, NOW), Random(seed)
        for number, step in enumerate(steps):
            before, (state, said) = state, move(state, step, random, NOW + number)
            check_step(step, before, state, said)
            doubts.update((step, said[row].verdict) for row in said if before.rows[row] in b"PS")

    walk()
    assert doubts >= {("resolve", one) for one in RESOLVE} | {("book", one) for one in SEND}


def check_step(step: str, before: LedgerEntry, state: LedgerEntry, said: dict[int, Outcome]):
    assert len(state.rows) == len(before.rows), "rows are frozen"
    assert all(letter in STATUS_OF_LETTER for letter in state.rows)
    assert state.possible_copies >= before.possible_copies
    for row, (was, becomes) in enumerate(zip(before.rows, state.rows, strict=True)):
        if was not in OPEN_LETTERS and step != "evidence":
            assert becomes == was, "what has ended stays ended"
        if is_maybe(was) and not is_maybe(becomes):
            asked = step == "resolve" and said[row].verdict in CLEARS_A_DOUBT
            assert asked or step == "evidence", "a maybe is never booked as never sent"
        if step == "evidence" and was != becomes:
            assert STATUS_OF_LETTER[becomes] is Status.DELIVERED
        if before.halt and was not in b"sS":
            assert becomes not in b"sS", "nothing new goes on the wire under a halt"
    assert codec.decode_state(codec.encode_state(state)) == state
