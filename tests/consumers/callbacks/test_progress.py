"""Facts of an item arrive in order, and none is lost, by the rules of an endpoint's progress."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from consumers.callbacks import progress as rules
from consumers.callbacks.progress import (
    DISABLED_AFTER,
    MAX_HELD,
    MAX_WAITING,
    PROBES_S,
    RETRIES_S,
    Failure,
    ItemResult,
    Progress,
    Span,
)

START = datetime(2026, 11, 2, tzinfo=UTC)
REFUSED, SLOWED = Failure("http 500"), Failure("http 429", pause_s=0.0)
NOT_WANTED = Failure("http 400", is_refusal=True)
OPEN = (Span(next=1),)


def fresh(facts=(), spans=OPEN) -> Progress:
    return rules.take(Progress(spans=OPEN), facts, spans, START)


def settle(progress: Progress, at: datetime, **results: ItemResult) -> Progress:
    return rules.settle(progress, results, at, lambda: 0.0)


def failing(progress: Progress, item: str, at: datetime, failure=REFUSED) -> Progress:
    return settle(progress, at, **{item: ItemResult(0, failure)})


def test_the_ladder_is_climbed_step_by_step_and_stays_on_the_last():
    progress, at = fresh([(1, "a")]), START
    for step_s in (*RETRIES_S, RETRIES_S[-1]):
        assert rules.choose(progress, at) == ["a"]
        progress = failing(progress, "a", at)
        assert rules.choose(progress, at + timedelta(seconds=step_s - 1)) == []
        at += timedelta(seconds=step_s)


def test_jitter_only_delays():
    progress = rules.settle(fresh([(1, "a")]), {"a": ItemResult(0, REFUSED)}, START, lambda: 1.0)
    assert progress.waiting["a"].due == START + timedelta(seconds=RETRIES_S[0] * 1.1)


def test_a_later_fact_waits_behind_an_earlier_one_and_other_items_go_on():
    progress = failing(fresh([(1, "a")]), "a", START)
    progress = rules.take(progress, [(2, "a"), (3, "b")], OPEN, START)
    assert rules.choose(progress, START) == ["b"]
    assert progress.waiting["a"].seqs == (1, 2)
    later = START + timedelta(seconds=6)
    progress = settle(progress, later, a=ItemResult(2), b=ItemResult(1))
    assert progress.waiting == {}


def test_a_fact_that_arrived_before_the_next_failed_is_not_sent_again():
    progress = settle(fresh([(1, "a"), (2, "a")]), START, a=ItemResult(1, REFUSED))
    assert (progress.waiting["a"].seqs, progress.waiting["a"].tries) == ((2,), 1)


def test_an_item_that_the_round_had_no_time_for_stays_as_it_was():
    known = failing(fresh([(1, "a")]), "a", START)
    assert settle(known, START, a=ItemResult(0)).waiting == known.waiting


def an_endpoint_that_is_down() -> Progress:
    progress = fresh([(seq, f"item-{seq}") for seq in range(1, 8)])
    results = {item: ItemResult(0, REFUSED) for item in progress.waiting}
    return rules.settle(progress, results, START, lambda: 0.0)


def test_one_callback_at_a_time_asks_an_endpoint_that_is_down():
    progress, at = an_endpoint_that_is_down(), START
    assert progress.is_down and rules.choose(progress, at) == []
    for _ in range(100):
        at += timedelta(seconds=PROBES_S[-1])
        [item] = rules.choose(progress, at)
        progress = failing(progress, item, at)
    assert {one.tries > 1 for one in progress.waiting.values()} == {True}, "each has its turn"


def test_a_new_item_is_tried_first_while_an_endpoint_is_down():
    progress = rules.take(an_endpoint_that_is_down(), [(9, "new")], OPEN, START)
    later = START + timedelta(seconds=PROBES_S[-1])
    assert rules.choose(progress, later) == ["new"]


def test_all_that_waits_is_due_at_once_when_an_endpoint_is_back():
    """Away for a day; within a quarter of an hour after its return everything is on its way."""
    progress, at = an_endpoint_that_is_down(), START
    while at < START + timedelta(days=1):
        at += timedelta(seconds=60)
        for item in rules.choose(progress, at):
            progress = failing(progress, item, at)
    assert progress.disabled is None
    returned = at
    while not (items := rules.choose(progress, at)):
        at += timedelta(seconds=60)
    assert at - returned <= timedelta(minutes=15)
    progress = settle(progress, at, **{items[0]: ItemResult(1)})
    assert len(rules.choose(progress, at)) == len(progress.waiting) == 6


def test_one_item_that_always_fails_makes_no_endpoint_down():
    progress, at = fresh([(1, "bad")]), START
    for number in range(2, 40):
        at += timedelta(hours=2)
        progress = failing(progress, "bad", at)
        progress = rules.take(progress, [(number, f"good-{number}")], OPEN, at)
        assert f"good-{number}" in rules.choose(progress, at)
        progress = settle(progress, at, **{f"good-{number}": ItemResult(1)})


def test_an_endpoint_is_disabled_after_five_days_of_failures_and_not_before():
    progress, at = an_endpoint_that_is_down(), START
    while not progress.disabled:
        at += timedelta(seconds=PROBES_S[-1])
        for item in rules.choose(progress, at):
            progress = failing(progress, item, at)
    assert progress.disabled.reason == "failing"
    assert timedelta() <= at - START - DISABLED_AFTER < timedelta(hours=1)
    assert rules.choose(progress, at + timedelta(days=1)) == []
    enabled = rules.enable(progress, at)
    assert len(rules.choose(enabled, at)) == 7


def test_410_disables_at_once():
    progress = failing(fresh([(1, "a")]), "a", START, Failure("http 410", is_gone=True))
    assert progress.disabled.reason == "gone" and progress.room == 0
    assert progress.waiting["a"].seqs == (1,), "nothing is lost: it may be enabled again"


@pytest.mark.parametrize(("asked_s", "pause_s"), [(0.0, 60), (120.0, 120), (1e9, 6 * 3600)])
def test_a_receiver_is_left_alone_as_long_as_it_asks_for_but_not_for_ever(asked_s, pause_s):
    progress = fresh([(1, "a"), (2, "b")])
    slowed = Failure("http 429", pause_s=asked_s)
    progress = settle(progress, START, a=ItemResult(0, slowed), b=ItemResult(1))
    progress = rules.take(progress, [(3, "c")], OPEN, START)
    assert rules.choose(progress, START + timedelta(seconds=pause_s - 1)) == []
    assert "c" in rules.choose(progress, START + timedelta(seconds=pause_s))


def test_no_more_is_taken_than_may_wait():
    assert fresh([(seq, f"item-{seq}") for seq in range(MAX_WAITING)]).room == 0


def test_refused_items_and_what_waits_behind_them_take_no_place():
    """A receiver that refuses some items for days hears of all others."""
    progress = fresh([(seq, f"bad-{seq}") for seq in range(MAX_WAITING)])
    results = {item: ItemResult(0, NOT_WANTED) for item in progress.waiting}
    progress = rules.settle(progress, results, START, lambda: 0.0)
    progress = rules.take(progress, [(999, "good")], OPEN, START)
    later = START + timedelta(seconds=PROBES_S[-1])
    assert rules.choose(progress, later) == ["good"]
    progress = settle(progress, later, good=ItemResult(1))
    progress = rules.take(progress, [(1000 + seq, f"bad-{seq}") for seq in range(50)], OPEN, START)
    results = {item: ItemResult(0, NOT_WANTED) for item in progress.waiting}
    progress = rules.settle(progress, results | {"bad-0": ItemResult(1)}, later, lambda: 0.0)
    assert progress.room == MAX_WAITING - 1 and progress.held == MAX_WAITING + 48


def test_an_endpoint_that_is_down_holds_no_more_than_may_wait():
    progress = fresh([(seq, f"item-{seq}") for seq in range(MAX_WAITING)])
    results = {item: ItemResult(0, REFUSED) for item in progress.waiting}
    progress = rules.settle(progress, results, START, lambda: 0.0)
    assert progress.is_down and progress.room == 0


def test_the_record_of_an_endpoint_that_refuses_much_stays_small():
    progress = fresh([(0, "good")])
    for number in range(MAX_HELD):
        waiting = rules.take(progress, [(number + 1, f"bad-{number}")], OPEN, START)
        bad, good = ItemResult(0, NOT_WANTED), ItemResult(0)
        progress = settle(waiting, START, **{f"bad-{number}": bad, "good": good})
        progress = progress.model_copy(update={"failures": 0})
    assert progress.room == 0 and len(progress.model_dump_json()) < 1 << 18


@pytest.mark.parametrize(
    ("failure", "is_due"), [(REFUSED, True), (Failure("too slow"), True), (NOT_WANTED, False)]
)
def test_one_item_that_failed_while_its_endpoint_was_away_is_due_when_another_arrives(
    failure, is_due
):
    progress, at = fresh([(1, "a")]), START
    for step_s in RETRIES_S[:3]:
        progress = failing(progress, "a", at, failure)
        at += timedelta(seconds=step_s)
    at -= timedelta(minutes=20)
    progress = rules.take(progress, [(2, "b")], OPEN, at)
    assert rules.choose(progress, at) == ["b"]
    progress = settle(progress, at, b=ItemResult(1))
    assert rules.choose(progress, at) == (["a"] if is_due else [])


def test_an_item_that_fails_while_others_arrive_keeps_its_turn():
    progress, at, tried = fresh([(1, "bad")]), START, 0
    for number in range(2, 100):
        at += timedelta(seconds=10)
        if number % 2:
            progress = rules.take(progress, [(number, "good")], OPEN, at)
        items = rules.choose(progress, at)
        tried += "bad" in items
        results = {item: ItemResult(*((0, REFUSED) if item == "bad" else (1,))) for item in items}
        progress = rules.settle(progress, results, at, lambda: 0.0)
    assert tried <= 4, "the ladder: at once, after 5 s, after 5 min"


def test_a_replay_comes_before_what_is_new_and_ends_where_that_begins():
    progress = rules.replay(Progress(first=20, spans=(Span(next=50),)), 10, 80)
    assert progress.spans == (Span(next=10, last=49), Span(next=50))
    assert rules.replay(Progress(spans=(Span(next=5),)), 10, 80).spans == (Span(next=5),)


def test_an_endpoint_has_the_facts_from_its_first_one_on_and_those_of_replays():
    added = Progress(first=100, spans=(Span(next=100),))
    assert [seq for seq in (9, 10, 20, 21, 99, 100, 101) if added.includes(seq)] == [100, 101]
    again = rules.replay(rules.replay(added, 10, 20), 10, 20)
    assert [seq for seq in (9, 10, 20, 21, 99, 100, 101) if again.includes(seq)] == [
        10,
        20,
        100,
        101,
    ]
    assert len(again.replayed) == 1
    assert rules.replay(Progress(first=20, spans=(Span(next=50),)), 30, 40).replayed == ()


class Receiver:
    """Answers as a test says; notes what arrives, and a crash may forget the last round."""

    def __init__(self) -> None:
        self.arrived: list[tuple[str, int]] = []

    def round(self, progress: Progress, at: datetime, answers) -> dict[str, ItemResult]:
        results = {}
        for item in rules.choose(progress, at):
            arrived, failure = 0, None
            for seq in progress.waiting[item].seqs:
                if failure := answers():
                    break
                self.arrived.append((item, seq))
                arrived += 1
            results[item] = ItemResult(arrived, failure)
        return results


ANSWERS = (None, None, REFUSED, SLOWED, Failure("too slow"))
LAST = 30


def taken(memory: Progress, facts, number: int, at: datetime) -> Progress:
    """The next *number* facts are taken."""
    begin = memory.spans[0].next
    new = [one for one in facts if begin <= one[0] < begin + number]
    return rules.take(memory, new, (Span(next=begin + len(new)),), at)


@pytest.mark.parametrize("seed", range(40))
def test_each_fact_arrives_and_those_of_an_item_first_arrive_in_order(seed):
    """Facts come, rounds fail in any way, a crash forgets any round; in the end all is there."""
    chance = random.Random(seed)
    facts = [(seq, chance.choice("abcde")) for seq in range(1, LAST + 1)]
    stored = memory = Progress(spans=OPEN)
    receiver, at = Receiver(), START
    for _ in range(chance.randrange(5, 60)):
        at += timedelta(seconds=chance.choice((1, 60, 4000)))
        memory = taken(memory, facts, chance.randrange(6), at)
        results = receiver.round(memory, at, lambda: chance.choice(ANSWERS))
        memory = rules.settle(memory, results, at, chance.random)
        if chance.random() < 0.6:
            stored = memory
        elif chance.random() < 0.5:
            memory = stored
    for _ in range(200):
        at += timedelta(hours=11)
        memory = taken(memory, facts, LAST, at)
        memory = rules.settle(memory, receiver.round(memory, at, lambda: None), at, chance.random)
    firsts = list(dict.fromkeys(receiver.arrived))
    assert sorted(seq for _, seq in firsts) == [seq for seq, _ in facts]
    for item in "abcde":
        of_item = [seq for name, seq in firsts if name == item]
        assert of_item == sorted(of_item)
