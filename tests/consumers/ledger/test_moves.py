"""One move of the ledger at a time: what becomes of each row, of a doubt, of what is due."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import AFTER_EARLIER_ROW, Outcome, Verdict
from channels.email.channel import EmailChannel
from channels.zalo.clock import SETTLE_S as ZALO_SETTLE_S
from consumers.ledger import backoff, codec, moves
from consumers.ledger.doubts import Doubt, DoubtCause
from consumers.ledger.entry import LedgerEntry, RowNote, TimeRules
from tests.support.ledger_rules import NOW, RULES


def entry(letters: str, **kwargs: object) -> LedgerEntry:
    return LedgerEntry(letters.encode(), **kwargs)


def letters(state: LedgerEntry) -> str:
    return state.rows.decode()


@pytest.mark.parametrize(
    ("was", "verdict", "becomes"),
    [
        ("sSdp", Verdict.DELIVERED, "dDdp"),
        ("sSdp", Verdict.FAILED, "xXdp"),
        ("sS", Verdict.SUPPRESSED, "uU"),
        ("sS", Verdict.UNKNOWN, "kK"),
        ("sS", Verdict.DEFERRED, "rR"),
        ("sS", Verdict.HELD, "rR"),
        ("sS", Verdict.UNSENT, "pP"),
        ("sS", Verdict.DOUBT, "PP"),
    ],
)
def test_an_outcome_books_a_row_on_the_wire_and_no_other(was, verdict, becomes):
    outcomes = dict.fromkeys(range(len(was)), Outcome(verdict))
    assert letters(moves.book(entry(was), outcomes, NOW, RULES)) == becomes


@pytest.mark.promise("3.4")
def test_only_evidence_takes_a_doubt_away():
    verdicts = [Verdict.DELIVERED, Verdict.ABSENT, Verdict.RESEND, Verdict.DOUBT, Verdict.UNKNOWN]
    outcomes = dict(enumerate(map(Outcome, [*verdicts, Verdict.FAILED])))
    assert letters(moves.resolve(entry("PPPPPP"), outcomes, NOW)) == "dpPPKX"


@pytest.mark.promise("3.4")
def test_evidence_upgrades_and_never_downgrades():
    state = entry("PRKkXUEWV" + "SsdDxuewvpr")
    for row in range(len(state.rows)):
        state = moves.apply_evidence(state, row, NOW)
    assert letters(state) == "DDDdDDDDD" + "SsdDxuewvpr"


def test_a_claim_puts_what_the_former_owner_had_on_the_wire_in_doubt():
    claimed = moves.claim(entry("dspSr", owner="old"), "new", NOW, RULES)
    assert letters(claimed) == "dPpPr"
    assert (claimed.owner, claimed.lease_until) == ("new", NOW + 60)
    assert claimed.effects_until == NOW + 90
    assert claimed.possible_copies == 1, "the second row had been sent again: a possible copy"


def test_what_comes_out_of_a_backup_is_in_doubt_on_the_wire_too():
    found = entry("dspSrRPx", owner="old", lease_until=NOW + 60, possible_copies=3)
    reopened = moves.reopen_restored(found, NOW)
    assert letters(reopened) == "dPPPPPPx"
    assert (reopened.owner, reopened.lease_until, reopened.closed_at) == ("", NOW, 0.0)
    assert reopened.possible_copies == 4, "the fourth row had been sent again: a possible copy"
    assert letters(moves.claim(reopened, "new", NOW + 1, RULES)) == "dPPPPPPx"


@pytest.mark.parametrize("settle_s", [EmailChannel.settle_s, ZALO_SETTLE_S])
def test_what_was_on_the_wire_when_a_backup_was_taken_has_its_time_to_land(settle_s):
    assert moves.reopen_restored(entry("s"), NOW).effects_until >= NOW + settle_s
    later = entry("s", effects_until=NOW + 9999)
    assert moves.reopen_restored(later, NOW).effects_until == NOW + 9999
    assert moves.reopen_restored(entry("p"), NOW).effects_until == 0.0


def test_what_was_on_the_wire_under_a_halt_comes_back_ended_and_closed():
    found = entry("sSd", owner="old", lease_until=NOW + 60, halt="w7")
    reopened = moves.reopen_restored(found, NOW)
    claimed = moves.claim(found, "new", NOW, RULES)
    assert letters(reopened) == letters(claimed) == "WWd"
    assert (reopened.possible_copies, claimed.possible_copies) == (1, 1)
    assert (reopened.owner, reopened.lease_until, reopened.closed_at) == ("", 0.0, NOW)


def test_a_claim_of_an_idle_batch_changes_no_row():
    claimed = moves.claim(entry("dppr"), "new", NOW, RULES)
    assert (letters(claimed), claimed.effects_until, claimed.possible_copies) == ("dppr", 0.0, 0)


def test_a_halt_ends_waiting_rows_at_once_and_leaves_those_on_the_wire_to_their_owner():
    halted = moves.halt(entry("pPrRsSd", owner="o"), "w7", NOW)
    assert letters(halted) == "wWwWsSd"
    assert halted.owner == "o"
    assert not halted.closed_at


def test_rows_that_come_back_under_a_halt_end_in_its_letter():
    halted = moves.halt(entry("ssss", owner="o"), "v2", NOW)
    verdicts = (Verdict.DELIVERED, Verdict.UNSENT, Verdict.DOUBT, Verdict.DEFERRED)
    said = dict(enumerate(map(Outcome, verdicts)))
    assert letters(moves.book(halted, said, NOW, RULES)) == "dvVv"


def test_a_halt_closes_a_batch_that_nobody_works_on():
    halted = moves.halt(entry("ppd"), "v2", NOW)
    assert (letters(halted), halted.closed_at) == ("vvd", NOW)


def test_nothing_is_granted_under_a_halt():
    halted = replace(entry("pp"), halt="v2")
    assert moves.grant(halted, [0, 1], NOW, RULES) == replace(halted, lease_until=NOW + 60)


def test_a_deferred_row_climbs_the_ladder_and_a_held_one_does_not():
    state = entry("ss")
    said = {0: Outcome(Verdict.DEFERRED, "451"), 1: Outcome(Verdict.HELD, "busy", retry_after_s=20)}
    booked = moves.book(state, said, NOW, RULES)
    assert booked.notes[0] == RowNote(1, NOW + 5, "451", NOW)
    assert booked.notes[1] == RowNote(0, NOW + 20, "busy", NOW)
    assert moves.due_rows(booked, NOW, RULES) == []
    assert moves.due_rows(booked, NOW + 4, RULES) == [0], "within a second counts as due"


def test_a_delivered_row_makes_those_due_that_waited_for_it():
    notes = {1: RowNote(5, NOW + 7200, AFTER_EARLIER_ROW, NOW), 2: RowNote(1, NOW + 60, "451", NOW)}
    known = moves.book(entry("srr", notes=notes), {0: Outcome(Verdict.DELIVERED)}, NOW, RULES)
    proven = moves.apply_evidence(entry("Prr", notes=notes, due=NOW + 60), 0, NOW)
    for state in (known, proven):
        assert moves.due_rows(state, NOW, RULES) == [1]
        assert moves.release(state, NOW).due == NOW
    assert proven.due == NOW, "a batch that nobody holds is looked at by its due time"
    put_off = moves.book(entry("srr", notes=notes), {0: Outcome(Verdict.DEFERRED)}, NOW, RULES)
    assert moves.due_rows(put_off, NOW, RULES) == []


def test_a_row_whose_next_try_lies_beyond_the_end_waits_for_the_end():
    rules = replace(RULES, give_up_at=NOW + 4, ends_as_expired=True)
    booked = moves.book(entry("sS"), dict.fromkeys((0, 1), Outcome(Verdict.DEFERRED)), NOW, rules)
    assert letters(booked) == "rR"
    assert moves.release(booked, NOW).due == moves.next_end_at(booked, rules) == NOW + 4
    assert letters(moves.expire(booked, NOW + 3, rules)) == "rR"
    assert moves.due_rows(booked, NOW + 3.5, rules) == [], "its last try is over"
    assert letters(moves.expire(booked, NOW + 4, rules)) == "eE"


@given(
    st.text("psdPrRS", max_size=60),
    st.dictionaries(st.integers(0, 59), st.booleans()),
    st.integers(1, 30),
)
def test_what_is_due_are_the_first_rows_that_wait_and_were_not_put_off(written, put_off, most):
    notes = {n: RowNote(1, NOW + 60 * later) for n, later in put_off.items() if n < len(written)}
    due = [row for row, letter in enumerate(written) if letter in "pPrR" and not put_off.get(row)]
    state = entry(written, notes=notes)
    assert moves.due_rows(state, NOW, RULES) == due
    assert moves.due_rows(state, NOW, RULES, most) == due[:most]


PATIENT = TimeRules(retry_for_s=72 * 3600)


@pytest.mark.parametrize(
    "said",
    [Outcome(Verdict.DEFERRED), Outcome(Verdict.HELD, retry_after_s=300), Outcome(Verdict.DOUBT)],
)
def test_patience_runs_from_the_first_failure_and_a_last_try_comes_shortly_before_its_end(said):
    state, now, tries = entry("sp"), NOW, []
    while state.rows[0] in b"sS":
        tries.append(now)
        state = moves.book(state, {0: said}, now, PATIENT)
        now = state.notes[0].due
        state = moves.expire(state, now, PATIENT)
        state = moves.grant(state, [0], now, PATIENT)
    assert now == NOW + PATIENT.retry_for_s, "not before, and not after"
    assert now - tries[-1] <= backoff.LAST_TRY_BEFORE_END_S
    assert letters(state) in ("xp", "Xp"), "whoever was never tried still waits"


def test_a_row_that_was_never_tried_is_never_given_up_and_its_patience_begins_with_the_first_try():
    nine_days = NOW + 9 * 86400
    state = moves.expire(entry("sp"), nine_days, PATIENT)
    state = moves.book(state, {0: Outcome(Verdict.DEFERRED, "451")}, nine_days, PATIENT)
    assert letters(moves.expire(state, nine_days + 3600, PATIENT)) == "rp"
    assert moves.next_end_at(state, PATIENT) == nine_days + PATIENT.retry_for_s


@pytest.mark.parametrize(
    "said",
    [Outcome(Verdict.DEFERRED), Outcome(Verdict.HELD, retry_after_s=300), Outcome(Verdict.DOUBT)],
)
def test_time_in_which_no_try_was_made_does_not_count_against_a_row(said):
    state = moves.book(entry("ss"), {0: said}, NOW, PATIENT)
    state = moves.claim(state, "w2.9", back := NOW + 4 * 86400.0, PATIENT)
    assert moves.overdue_rows(state, back, PATIENT) == []
    assert letters(moves.expire(state, back, PATIENT)).upper() in ("RP", "PP")
    assert moves.due_rows(state, back, PATIENT) == [0, 1], "each gets its try after the stop"
    state = moves.grant(state, [0, 1], back, PATIENT)
    state = moves.book(state, {0: said, 1: Outcome(Verdict.DELIVERED)}, back, PATIENT)
    assert moves.overdue_rows(state, back + 86400.0, PATIENT) == [], "and the tries that are left"
    tries, now = 0, back
    while not moves.overdue_rows(state, now, PATIENT):
        now = state.notes[0].due
        tries += bool(moves.due_rows(state, now, PATIENT))
        state = moves.book(moves.grant(state, [0], now, PATIENT), {0: said}, now, PATIENT)
    assert tries > 5 and now <= back + PATIENT.retry_for_s
    assert letters(moves.expire(state, now, PATIENT))[0] in "xX"


def test_a_notice_that_was_not_tried_in_its_time_goes_on_to_its_next_channel():
    rules = replace(PATIENT, ends_as_expired=True)
    state = moves.book(entry("s"), {0: Outcome(Verdict.HELD)}, NOW, rules)
    assert letters(moves.expire(state, NOW + rules.retry_for_s, rules)) == "e"


def test_a_batch_is_idle_when_a_claim_would_find_nothing_to_ask():
    over = replace(RULES, give_up_at=NOW, ends_as_expired=True)
    later = {0: RowNote(1, NOW + 60), 1: RowNote(1, NOW + 60)}
    assert moves.is_idle(entry("pr"), NOW, over)
    assert moves.is_idle(entry("sS", owner="dead"), NOW, over)
    assert moves.is_idle(entry("ss", owner="dead", halt="w2"), NOW, RULES)
    assert moves.is_idle(entry("rr", notes=later), NOW, RULES)
    assert not moves.is_idle(entry("rp", notes={0: later[0]}), NOW, RULES)
    assert not moves.is_idle(entry("sd", owner="dead"), NOW, RULES), "a doubt to be resolved"


def test_waiting_rows_expire_and_rows_on_the_wire_do_not():
    rules = TimeRules(give_up_at=NOW, ends_as_expired=True)
    assert letters(moves.expire(entry("prPRsd"), NOW, rules)) == "eeEEsd"
    assert letters(moves.expire(entry("pr"), NOW - 1, rules)) == "pr"


def test_a_released_batch_is_due_when_its_first_row_is():
    state = entry(
        "drr", owner="o", notes={1: RowNote(1, NOW + 60), 2: RowNote(1, NOW + 30)}, wake_number=3
    )
    free = moves.release(state, NOW)
    assert (free.owner, free.due, free.wake_number, free.closed_at) == ("", NOW + 30, 4, 0.0)
    assert moves.release(entry("dxu", owner="o"), NOW).closed_at == NOW


@pytest.mark.parametrize(
    ("owner", "cause"),
    [
        ("h.email.0#cd#1", DoubtCause.ENDED),
        ("h.email.0#ab#2", DoubtCause.BUS_SILENT),
        ("h.email.1#cd#1", DoubtCause.TAKEN_OVER),
        ("", DoubtCause.RESTORED),
    ],
)
def test_a_claim_keeps_why_rows_are_in_doubt_and_whose_they_were(owner, cause):
    found = entry("dssp", owner="h.email.0#ab#1", lease_until=NOW)
    claimed = moves.claim(found, owner, NOW + 9, RULES)
    detail, seen = ("h.email.0#ab", NOW - RULES.lease_s) if owner else ("", 0.0)
    assert claimed.doubts == (Doubt(NOW + 9, 2, cause, detail, seen),)
    assert codec.decode_state(codec.encode_state(claimed)) == claimed


def test_causes_of_doubts_are_few_however_often_a_provider_gives_no_answer():
    state = entry("s" * 9)
    for number in range(9):
        outcome = {number: Outcome(Verdict.DOUBT, reason=f"timeout {number % 2}")}
        state = moves.book(state, outcome, NOW + number, RULES)
    assert [(one.at, one.rows, one.cause, one.detail) for one in state.doubts] == [
        (NOW, 5, DoubtCause.UNANSWERED, "timeout 0"),
        (NOW + 1, 4, DoubtCause.UNANSWERED, "timeout 1"),
    ]
    assert not moves.claim(entry("dp", owner="old"), "new", NOW, RULES).doubts


@pytest.mark.parametrize("verdict", [Verdict.RESEND, Verdict.ABSENT])
def test_a_row_that_is_sent_again_after_each_doubt_waits_longer_and_ends(verdict):
    hour, now, state = 3600.0, NOW, entry("p")
    rules = replace(RULES, give_up_at=float("inf"), retry_for_s=72 * hour)
    for _ in range(100):
        state = moves.claim(moves.expire(state, now, rules), "own", now, rules)
        if not state.is_open:
            break
        sent = moves.grant(moves.resolve(state, {0: Outcome(verdict)}, now), [0], now, rules)
        state = moves.book(sent, {0: Outcome(Verdict.DOUBT, "no answer", 10.0)}, now, rules)
        now = max(now, state.notes[0].due)
    assert not state.is_open
    assert 71 * hour <= now - NOW <= 73 * hour
