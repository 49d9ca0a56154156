"""Rows of facts: nothing of a fact is lost or counted twice, and days without data are gaps."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from consumers.facts.decisions import decision_facts
from consumers.facts.store import FactStore
from consumers.ledger.entry import STATUS_OF_LETTER
from consumers.periodic_reports.contents.texts import load_texts
from consumers.periodic_reports.contents.wording import Wording
from consumers.periodic_reports.from_facts import FactRows, gaps_of
from consumers.periodic_reports.gather import Gatherer
from consumers.periodic_reports.rows import Gap, Row, decode_row
from consumers.periodic_reports.span import Span
from consumers.periodic_reports.tally import By
from contracts.delivery import ChannelName, Lane, Status
from contracts.editorial import ActionKind
from contracts.facts import (
    DayFact,
    DecisionFact,
    DeliveryFact,
    EventsFact,
    FactKind,
    IncidentFact,
    NoticesFact,
    OpinionsFact,
    ReadersFact,
    RefusalsFact,
    ReleaseFact,
)
from contracts.subscriptions.reaction import Reaction
from contracts.vocabulary import DEFAULT
from tests.consumers.facts.test_deliveries import a_fact, journey
from tests.support.editorial_world import EditorialWorld, fold

AT = datetime(2026, 3, 2, 3, tzinfo=UTC)
DAY = date(2026, 3, 2)
MARCH = Span(date(2026, 3, 1), date(2026, 3, 31))
ITEM = {"item": "tin-1", "unit": "van-phong-bo", "topic": "chuyen-doi-so"}
RELEASE = ReleaseFact(
    content_id="tin-1",
    revision=1,
    action="published",
    unit="van-phong-bo",
    topic="chuyen-doi-so",
    lane=Lane.NORMAL,
    channels=(ChannelName.EMAIL, ChannelName.PORTAL),
    released_at=AT,
    shown_at=AT,
)
DELIVERY = DeliveryFact(
    channel=ChannelName.EMAIL,
    content_id="tin-1",
    revision=1,
    lane=Lane.NORMAL,
    began_at=AT,
    ended_at=AT + timedelta(minutes=2),
    counts={Status.DELIVERED: 90, Status.FAILED: 10},
    reached_s={"most": 1.5},
    within_10_s=80,
)


def rows_of(*facts) -> dict[str, Row]:
    """The rows by the last word of their kinds."""
    source = FactRows()
    source.learn(RELEASE)
    return {row.kind.partition(".")[2]: row for fact in facts for row in source.of(fact)}


def test_a_delivery_counts_for_the_unit_and_the_topic_of_its_item():
    rows = rows_of(DELIVERY)
    mail = {"channel": "email", "lane": "normal", **ITEM}
    assert rows == {
        "delivered": Row(DAY, "deliveries.delivered", 90, **mail),
        "failed": Row(DAY, "deliveries.failed", 10, **mail),
        "expected": Row(DAY, "deliveries.expected", 100, **mail),
        "timed": Row(DAY, "deliveries.timed", 90, **mail),
        "within_10_s": Row(DAY, "deliveries.within_10_s", 80, **mail),
        "most_after": Row(DAY, "deliveries.most_after", 1, seconds=2, **mail),
    }


def test_mails_of_digests_are_a_part_with_a_name():
    digest = DELIVERY.model_copy(update={"content_id": "digest-weekly-2026-03-02"})
    [(unit, topic)] = {(row.unit, row.topic) for row in rows_of(digest).values()}
    wording = Wording(load_texts(Path("none")), {})
    names = {wording.part(By.UNIT, unit), wording.part(By.TOPIC, topic)}
    assert names == {wording.texts["tables"]["digests"]}
    assert wording.part(By.UNIT, "") not in names


def test_a_release_counts_once_and_once_on_each_of_its_channels():
    source = FactRows()
    source.learn(RELEASE)
    rows = source.of(RELEASE)
    assert [(row.kind, row.channel) for row in rows] == [
        ("items.published", ""),
        ("items.published_on", "email"),
        ("items.published_on", "portal"),
    ]


def test_a_decision_by_rule_has_no_duration():
    decided = DecisionFact(
        content_id="tin-1",
        revision=1,
        unit="van-phong-bo",
        sent_at=AT - timedelta(hours=1),
        decided_at=AT,
        verdict="approved",
    )
    assert rows_of(decided)["approved_after"].seconds == 3600
    assert set(rows_of(decided.model_copy(update={"by_rule": True}))) == {"approved"}


def test_a_publication_counts_from_its_event_or_from_when_it_was_sent():
    published = DecisionFact(
        content_id="tin-2",
        revision=1,
        unit="van-phong-bo",
        sent_at=AT,
        published_at=AT + timedelta(hours=2),
    )
    assert rows_of(published)["published_after"].seconds == 7200
    event = published.model_copy(update={"event_at": AT - timedelta(hours=1)})
    assert rows_of(event)["published_after"].seconds == 10_800
    later = published.model_copy(update={"event_at": AT + timedelta(hours=1)})
    assert rows_of(later)["published_after"].seconds == 7200, "a clock that is ahead"


def _approved(day: int, hours: int) -> DecisionFact:
    """The first text of the item, approved so many hours after it was sent."""
    decided = AT.replace(day=day)
    return DecisionFact(
        content_id=RELEASE.content_id,
        revision=1,
        unit="van-phong-bo",
        sent_at=decided - timedelta(hours=hours),
        decided_at=decided,
        verdict="approved",
        published_at=decided,
    )


def test_a_text_that_waits_for_its_time_is_published_when_readers_have_it():
    decided, scheduled = _approved(2, hours=1), _released(1, "published", 2, 20)
    assert _counted(scheduled, decided)["desk.published_after", 20] == 1
    assert ("desk.published_after", 2) not in _counted(scheduled, decided)
    source = FactRows()
    source.learn(scheduled)
    times = {row.kind: row.seconds for row in source.of(decided)}
    assert times["desk.published_after"] == timedelta(days=18, hours=1).total_seconds()
    gone = _released(2, "withdrawn", 3, 3)
    counted = _counted(scheduled, decided, gone)
    assert {kind for kind, _ in counted} == {"desk.approved", "desk.approved_after"}


@pytest.mark.parametrize(("first", "last", "is_within"), [(1, 10, False), (11, 31, True)])
def test_a_publication_is_gathered_on_the_day_on_which_readers_had_it(first, last, is_within):
    gathered = Gatherer(Span(date(2026, 3, first), date(2026, 3, last)))
    decided, scheduled = _approved(2, hours=1), _released(1, "published", 2, 20)
    gathered.facts.learn(scheduled)
    days = [DayFact(on=day, counted=tuple(FactKind)) for day in MARCH.days()]
    for fact in (decided, scheduled, decided, *days):
        gathered.add(fact)
    gathered.complete()
    rows = {row.kind: row.times for row in map(decode_row, gathered.lines())}
    assert rows.get("desk.published_after") == (1 if is_within else None)
    assert rows.get("desk.approved") == (None if is_within else 1)


def test_a_step_is_late_behind_its_deadline_of_working_days():
    friday = datetime(2026, 3, 6, 3, tzinfo=UTC)
    fact = DecisionFact(
        content_id="tin-1",
        revision=1,
        unit="van-phong-bo",
        sent_at=friday,
        confirmed_at=friday + timedelta(days=3),
        proposed_at=friday + timedelta(days=7),
        decided_at=friday + timedelta(days=7),
        verdict="approved",
    )
    steps = _counts(FactRows().of(fact), "desk.steps", "desk.steps_late")
    assert steps == {
        ("desk.steps", "confirm"): 1,
        ("desk.steps", "edit"): 1,
        ("desk.steps", "approve"): 1,
        ("desk.steps_late", "edit"): 1,
    }
    returned = fact.model_copy(update={"returns": 1})
    assert not _counts(FactRows().of(returned), "desk.steps")
    by_rule = fact.model_copy(update={"by_rule": True})
    assert not _counts(FactRows().of(by_rule), "desk.steps")


def _counts(rows: list[Row], *kinds: str) -> dict[tuple[str, str], int]:
    return {(row.kind, row.detail): row.times for row in rows if row.kind in kinds}


def test_refused_events_count_beside_those_that_were_accepted():
    accepted = EventsFact(on=DAY, unit="van-phong-bo", accepted={"content.submitted": 7})
    refused = RefusalsFact(on=DAY, unit="van-phong-bo", refused={"content.submitted": 2})
    assert rows_of(accepted)["accepted"].times == 7
    assert rows_of(refused)["events"].times == 2


def ends(source: FactRows, span: Span, counted: set[date]) -> dict[str, set[int]]:
    """The days of March on which periods of bulletins end, by what is counted."""
    rows = [*source.rhythm(span, counted)]
    return {
        kind: {row.day.day for row in rows if row.kind == f"bulletins.{kind}"}
        for kind in ("due", "in_time")
    }


def test_an_issue_of_a_bulletin_counts_in_the_week_of_its_release():
    """One week without an issue, and a week of the span that is not over."""
    topic = DEFAULT.bulletins["ban-tin-cai-cach-hanh-chinh"].topic
    source = FactRows(bulletins=DEFAULT.bulletins)
    first, third = date(2026, 3, 4), date(2026, 3, 17)
    for number, day in enumerate((first, third), start=1):
        content_id = f"ban-tin-cai-cach-hanh-chinh-2026-so-{number:02d}"
        shown = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
        changes = {"content_id": content_id, "topic": topic, "shown_at": shown}
        source.learn(issue := RELEASE.model_copy(update=changes))
        assert "bulletins.issued" in {row.kind for row in source.of(issue)}
    span = Span(date(2026, 2, 1), date(2026, 3, 28))
    assert ends(source, span, span.days()) == {"due": {8, 15, 22}, "in_time": {8, 22}}
    unknown = span.days() - {date(2026, 3, 5), date(2026, 3, 11)}
    assert ends(source, span, unknown) == {"due": {8, 22}, "in_time": {8, 22}}, "not known to lack"
    assert ends(source, span, span.days() - {first}) == {"due": {22}, "in_time": {22}}
    assert "bulletins.issued" not in {row.kind for row in source.of(RELEASE)}


def test_over_random_histories_the_rows_of_a_delivery_count_the_letters_of_the_ledger():
    for seed in range(100):
        entry = journey(Random(seed))
        source = FactRows()
        source.learn(RELEASE)
        rows = source.of(a_fact(entry))
        found = {row.kind.removeprefix("deliveries."): row for row in rows}
        letters = Counter(STATUS_OF_LETTER[letter].value for letter in entry.rows)
        counted = {name: found[name].times for name in Status if name in found}
        assert counted == letters, seed
        assert found["expected"].times == len(entry.rows)
        copies = found["copies"].times if "copies" in found else 0
        assert copies == entry.possible_copies
        assert {(row.unit, row.item) for row in rows} == {(RELEASE.unit, RELEASE.content_id)}


def test_over_random_stories_the_rows_of_decisions_count_the_acts_of_the_log():
    for seed in range(60):
        world = EditorialWorld(seed)
        world.run()
        acts, counts = world.log.actions, Counter[str]()
        facts = [*decision_facts("tin-1", acts)]
        for row in (row for fact in facts for row in FactRows().of(fact)):
            counts[row.kind] += row.times
        sent = {fact.revision for fact in facts}
        returned = [act for act in acts if act.kind is ActionKind.RETURN and act.revision in sent]
        assert counts["desk.returned"] == len(returned), seed
        assert counts["desk.published_after"] == len(sent & {*fold(acts).published})
        verdicts = Counter(f"desk.{fact.verdict}" for fact in facts if fact.verdict)
        assert {kind: counts[kind] for kind in verdicts} == verdicts
        assert counts["desk.steps_late"] <= counts["desk.steps"]


def test_readers_whose_number_nobody_took_have_no_level():
    facts = ReadersFact(on=DAY, channel=ChannelName.ZALO, came=3, left={"unsubscribed": 1})
    assert set(rows_of(facts)) == {"gained", "lost"}
    assert set(rows_of(facts.model_copy(update={"total": 0}))) == {"level", "gained", "lost"}


def test_opinions_count_together_and_by_what_was_pressed():
    pressed = {ChannelName.PORTAL: {Reaction.SATISFIED: 3, Reaction.NEUTRAL: 1}}
    rows = FactRows().of(OpinionsFact(on=DAY, content_id="tin-1", counts=pressed))
    counts = Counter[str]()
    for row in rows:
        counts[row.kind] += row.times
    assert counts == {"opinions.received": 4, "opinions.satisfied": 3, "opinions.neutral": 1}


def test_case_notices_and_letters_are_apart():
    counts = {Status.DELIVERED: 5, Status.EXPIRED: 2}
    notices = NoticesFact(on=DAY, channel=ChannelName.ZALO, sort="case", counts=counts)
    found = {kind: row.times for kind, row in rows_of(notices).items()}
    assert found == {"case_expected": 7, "case_delivered": 5, "case_expired": 2}


def test_an_incident_that_lasts_has_no_duration():
    began = IncidentFact(what="breaker", circuit="email", began_at=AT)
    assert set(rows_of(began)) == {"broken"}
    ended = began.model_copy(update={"ended_at": AT + timedelta(seconds=9)})
    assert rows_of(ended)["lasted"].seconds == 9


def test_days_that_were_not_counted_to_their_end_are_gaps():
    days = [DayFact(on=day, counted=tuple(FactKind)) for day in MARCH.days() if day.day != 9]
    days.append(DayFact(on=date(2026, 3, 9), counted=(FactKind.RELEASE,)))
    found = {(gap.kind, gap.first, gap.last, gap.reason) for gap in gaps_of(days, MARCH)}
    ninth = date(2026, 3, 9)
    short = ("desk", "deliveries", "events", "opinions", "readers", "incidents", "notices")
    short += ("refusals", "withdrawals")
    assert found == {
        *((kind, ninth, ninth, "not_recorded") for kind in short),
        ("views", *_march(), "untracked"),
        ("opinions.answered", *_march(), "anonymous"),
    }
    assert Gap(kind="items", first=MARCH.first, last=MARCH.last, reason="not_recorded") in [
        *gaps_of([], MARCH)
    ]


def _march() -> tuple[date, date]:
    return MARCH.first, MARCH.last


async def test_the_newest_fact_of_a_key_counts_and_only_in_the_span(bus):
    store = FactStore(bus)
    early = RELEASE.model_copy(update={"content_id": "tin-0", "shown_at": AT - timedelta(days=9)})
    for fact in (DELIVERY, early, RELEASE):  # a delivery may be told before its release
        assert await store.add(fact, 0)
    late = DELIVERY.model_copy(update={"counts": {Status.DELIVERED: 100}})
    assert await store.add(late, (await store.read(DELIVERY.key)).seq)
    uncounted = Gatherer(MARCH)
    await uncounted.read(store)
    assert not [*uncounted.lines()], "no figure says what happened in a gap"
    for day in {RELEASE.day, DELIVERY.day}:
        assert await store.add(DayFact(on=day, counted=(FactKind.RELEASE, FactKind.DELIVERY)), 0)
    gathered = Gatherer(MARCH)
    await gathered.read(store)
    rows = [*map(decode_row, gathered.lines())]
    counts = {row.kind: row.times for row in rows}
    assert (counts["deliveries.delivered"], counts["items.published"]) == (100, 1)
    assert "deliveries.failed" not in counts
    assert {row.unit for row in rows} == {"van-phong-bo"}
    assert gathered.streams["FACTS"] == uncounted.streams["FACTS"] + len(
        {RELEASE.day, DELIVERY.day}
    )


def test_an_announced_interruption_is_counted_in_time_or_late():
    begins = RELEASE.shown_at + timedelta(days=1)
    late = RELEASE.model_copy(update={"interrupts_at": begins, "is_force_majeure": False})
    excused = late.model_copy(update={"is_force_majeure": True})
    in_time = late.model_copy(update={"interrupts_at": begins + timedelta(days=30)})
    kinds = [row.kind for fact in (RELEASE, late, excused, in_time) for row in FactRows().of(fact)]
    counted = Counter(kind for kind in kinds if kind.startswith("interruptions."))
    assert counted == {
        "interruptions.announced": 3,
        "interruptions.late": 1,
        "interruptions.force_majeure": 1,
        "interruptions.in_time": 1,
    }


def _released(revision: int, action: str, released: int, shown: int, **changes) -> ReleaseFact:
    """A release of some day of March, which readers have from some day on."""
    at = {"released_at": AT.replace(day=released), "shown_at": AT.replace(day=shown)}
    return RELEASE.model_copy(update={"revision": revision, "action": action, **at, **changes})


def _counted(*facts) -> dict[tuple[str, int], int]:
    """By kind and day, in either order of the facts."""
    found = []
    for order in (facts, facts[::-1]):
        source = FactRows()
        for fact in order:
            if isinstance(fact, ReleaseFact):
                source.learn(fact)
        rows = [row for fact in order for row in source.of(fact)]
        found.append({(row.kind, row.day.day): row.times for row in rows})
    assert found[0] == found[1]
    return {key: times for key, times in found[0].items() if not key[0].endswith("_on")}


def test_what_tells_readers_of_a_withdrawal_is_no_reach():
    told = DELIVERY.model_copy(update={"revision": 2})
    counted = _counted(
        _released(1, "published", 2, 2), DELIVERY, _released(2, "withdrawn", 2, 2), told
    )
    assert counted["deliveries.delivered", 2] == counted["withdrawals.delivered", 2] == 90
    assert counted["deliveries.expected", 2] == counted["withdrawals.expected", 2] == 100


def test_an_item_that_was_withdrawn_before_its_time_counts_nowhere():
    scheduled, gone = _released(1, "published", 2, 20), _released(2, "withdrawn", 3, 3)
    assert not _counted(scheduled, gone)
    later = _released(3, "corrected", 4, 4)
    assert _counted(scheduled, gone, later) == {("items.published", 4): 1}
    seen = _counted(_released(1, "published", 2, 2), gone)
    assert seen == {("items.published", 2): 1, ("items.withdrawn", 3): 1}


def test_an_item_whose_time_was_moved_is_published_once_when_readers_have_it():
    first, moved = _released(1, "published", 2, 10), _released(2, "corrected", 3, 20)
    corrected, again = _released(3, "corrected", 21, 21), _released(4, "published", 22, 22)
    later = {("items.corrected", 21): 1, ("items.republished", 22): 1}
    assert _counted(first, moved, corrected, again) == {("items.published", 20): 1, **later}
    moved = moved.model_copy(update={"action": "published"})
    assert _counted(first, moved, corrected, again) == {("items.published", 20): 1, **later}


@pytest.mark.parametrize(
    ("stated", "judged"), [(True, {"interruptions.force_majeure"}), (False, set())]
)
def test_an_interruption_up_to_a_year_of_unknown_working_days_is_announced_as_it_was_stated(
    stated, judged
):
    """The working days of that year are unknown; force majeure needs no count of them."""
    at = datetime(2190, 12, 24, 3, tzinfo=UTC)
    announced = RELEASE.model_copy(
        update={
            "released_at": at,
            "shown_at": at,
            "interrupts_at": at + timedelta(days=17),
            "is_force_majeure": stated,
        }
    )
    kinds = {row.kind for row in FactRows().of(announced)}
    assert {one for one in kinds if one.startswith("interruptions.")} == {
        "interruptions.announced",
        *judged,
    }


def test_an_interruption_is_announced_when_readers_first_knew_of_it():
    """Its first text was overtaken before its time; the second one came too late."""
    begins = {"interrupts_at": AT.replace(day=24), "is_force_majeure": False}
    first = _released(1, "published", 2, 3, **begins)
    moved = _released(2, "corrected", 2, 22, **begins)
    assert ("interruptions.in_time", 3) in _counted(first)
    counted = _counted(first, moved)
    found = {key for key in counted if key[0].startswith("interruptions.")}
    assert found == {("interruptions.announced", 22), ("interruptions.late", 22)}


def _stated(begins: int, **changes) -> dict[str, Any]:
    """Statement of a release on an interruption that begins on a day of March, and lasts a day."""
    at = {
        "interrupts_at": AT.replace(day=begins),
        "expected_recovery_at": AT.replace(day=begins + 1),
    }
    return at | {"services": ("Tra cứu",), "is_force_majeure": False} | changes


def _announced(*facts) -> set[tuple[str, int]]:
    found = {key for key in _counted(*facts) if key[0].startswith("interruptions.")}
    return {(kind.partition(".")[2], day) for kind, day in found} - {
        ("announced", day) for _, day in found
    }


def test_an_interruption_that_a_correction_tells_first_or_anew_is_announced_by_it():
    plain, first = _released(1, "published", 2, 2), _released(1, "published", 2, 2, **_stated(28))
    late = _released(2, "corrected", 26, 26, **_stated(27))
    assert _announced(plain, late) == {("late", 26)}
    stormy = late.model_copy(update={"is_force_majeure": True})
    assert _announced(first, stormy) == {("in_time", 2), ("force_majeure", 26)}
    same = _released(2, "corrected", 26, 26, **_stated(28))
    assert _announced(first, same) == {("in_time", 2)}
    gone, again = _released(2, "withdrawn", 3, 3), _released(3, "published", 26, 26, **_stated(28))
    assert _announced(first, gone, again) == {("in_time", 2), ("late", 26)}


def test_an_issue_that_was_overtaken_is_issued_with_the_text_that_readers_had():
    series = "ban-tin-cai-cach-hanh-chinh"
    about = {"content_id": f"{series}-2026-so-01", "topic": DEFAULT.bulletins[series].topic}
    facts = (_released(1, "published", 2, 4, **about), _released(2, "corrected", 3, 10, **about))
    source = FactRows(bulletins=DEFAULT.bulletins)
    for fact in facts:
        source.learn(fact)
    rows = [row for fact in facts for row in source.of(fact)]
    assert [row.day.day for row in rows if row.kind == "bulletins.issued"] == [10]
    assert ends(source, MARCH, MARCH.days()) == {"due": {15, 22, 29}, "in_time": {15}}
