"""The ways of revisions over the desk as facts: over random histories they agree with the log."""

from datetime import UTC, datetime

import pytest

from consumers.editorial.log import EditorialLog
from consumers.facts.decisions import decision_facts
from consumers.intake.handler import Intake
from contracts.editorial import ActionKind
from contracts.facts import decode
from contracts.vocabulary import DEFAULT
from tests.support.editorial_world import NAMES, EditorialWorld, fold
from tests.support.events import ITEM, UNIT, register_unit, submitted

K = ActionKind
STORIES = 200


def facts_of(acts):
    return {fact.revision: fact for fact in decision_facts("tin-1", acts)}


@pytest.mark.parametrize("chunk", range(4))
def test_each_revision_that_was_sent_has_a_fact_which_says_what_became_of_it(chunk):
    verdicts = set()
    for seed in range(chunk * STORIES // 4, (chunk + 1) * STORIES // 4):
        world = EditorialWorld(seed)
        world.run()
        acts = world.log.actions
        found, state = facts_of(acts), fold(acts)
        assert found.keys() == {a.revision for a in acts if a.kind in (K.RECEIVE, K.SUBMIT)}, seed
        for number, fact in found.items():
            assert (fact.published_at is not None) == (number in state.published), seed
            mine = [act for act in acts if act.revision == number]
            if number in state.published or number in state.approved:
                taken = "withdrawn" if any(act.kind is K.WITHDRAW for act in mine) else "approved"
                assert fact.verdict in ("approved", taken), seed
            elif fact.verdict == "approved":
                pytest.fail(f"{seed}: {number} has lost its approval")
            assert fact.returns == sum(act.kind is K.RETURN for act in mine)
            assert fact.by_rule == (number in state.by_rule), seed
            assert decode(fact.key, fact.encode()) == fact
        verdicts |= {fact.verdict for fact in found.values()}
    assert verdicts >= {"approved", "rejected", None}


def test_a_fact_names_no_person():
    for seed in range(50):
        world = EditorialWorld(seed)
        world.run()
        words = b" ".join(fact.encode() for fact in decision_facts("tin-1", world.log.actions))
        names = [*NAMES, *NAMES.values()]
        assert [name for name in names if name.encode() in words] == []


def test_a_later_act_never_takes_a_fact_away():
    for seed in range(30):
        world = EditorialWorld(seed)
        world.run()
        acts, known = world.log.actions, set()
        for number in range(len(acts) + 1):
            found = facts_of(acts[:number]).keys()
            assert known <= found
            known = set(found)


@pytest.mark.parametrize("release", ["desk", "automatic"])
async def test_a_fact_says_when_its_event_came_to_be(bus, clock, release):
    born = datetime(2026, 1, 2, 3, tzinfo=UTC)
    await register_unit(bus, release=release)
    event = submitted().model_copy(update={"time": born})
    await Intake(bus, DEFAULT, clock).handle(event, UNIT)
    [fact] = decision_facts(ITEM, [act async for _, act in EditorialLog(bus).acts(ITEM)])
    assert fact.event_at == born < fact.sent_at
