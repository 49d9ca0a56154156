"""Who lost a role in the middle of a random story does no more with it; mistakes are found."""

from dataclasses import replace

import pytest

from consumers.desk import order_rules
from consumers.staff import policy
from contracts.editorial import ActionKind
from tests.support.editorial_world import NAMES
from tests.support.planted_bugs import PlantedBugs, Replacement
from tests.support.staffed_world import MAY, StaffedWorld, staffed_story, staffed_story_of

_STORIES, _MOST_STORIES = 100, 500
K = ActionKind
first_account_of = StaffedWorld.account_of


def as_at_first(world, attempt):
    """The account as it was when the person signed in."""
    known = world.__dict__.setdefault("signed_in", {})
    now = first_account_of(world, attempt)
    return known.setdefault(now.id, now)


def active(world, attempt):
    return replace(first_account_of(world, attempt), is_active=True)


MISTAKES = PlantedBugs(
    {
        "role-taken-away-meanwhile": [Replacement(StaffedWorld, "account_of", as_at_first)],
        "disabled-account-acts": [Replacement(StaffedWorld, "account_of", active)],
        "another-units-leader-confirms": [
            Replacement(
                policy,
                "_REFUSALS",
                {
                    one: refusal
                    for one, refusal in policy._REFUSALS.items()
                    if one is not policy.Condition.OWN_UNIT
                },
            )
        ],
        "editor-approves": [
            Replacement(order_rules, "_ACTION_OF", {**order_rules._ACTION_OF, K.APPROVE: "edit"})
        ],
        "anybody-confirms": [
            Replacement(
                order_rules, "_ACTION_OF", {**order_rules._ACTION_OF, K.CONFIRM: "read-drafts"}
            )
        ],
    }
)


def test_random_stories_of_people_with_changing_roles_keep_every_rule_and_reach_every_act():
    wrong, done = {}, set()
    for seed in range(_STORIES):
        world = StaffedWorld(seed)
        if found := staffed_story_of(world):
            wrong[seed] = found
        done |= {one.kind for one in world.log.actions if one.by in NAMES}
    assert wrong == {}
    assert done >= MAY.keys()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_planted_mistake_is_found(mistake):
    with MISTAKES.planted(mistake):
        stories = map(staffed_story, range(_MOST_STORIES))
        assert next(filter(None, stories), None)
