"""Who lost a role in the middle of a random story does no more with it; mistakes are found."""

from dataclasses import replace

import pytest

from consumers.desk.orders import rules as order_rules
from consumers.staff import policy
from consumers.staff.authorization import Authorizer
from contracts.editorial import ActionKind, fold, rules
from tests.support.editorial_world import NAMES
from tests.support.planted_bugs import PlantedBugs, Replacement, no_op
from tests.support.staffed_world import MAY, StaffedWorld, staffed_story, staffed_story_of

_STORIES, _MOST_STORIES = 100, 500
K = ActionKind
first_rule = rules._check_checkpoints
first_is_allowed = policy.Policy.is_allowed


def as_if_active(rules, person, action, facts):
    return first_is_allowed(rules, replace(person, is_active=True), action, facts)


def without_a_promise(now, action):
    """An approval of a proposal that was edited after it, by who promised nothing."""
    promised = action.is_clean or action.kind is not K.APPROVE
    first_rule(now, action if promised else action.model_copy(update={"is_clean": True}))


def by_one(rules, **facts):
    return "approve"


def by_editors(rules, **facts):
    return "edit"


MISTAKES = PlantedBugs(
    {
        "one-approves-an-urgent-text": [Replacement(policy.Policy, "approval_action", by_one)],
        "role-taken-away-meanwhile": [Replacement(Authorizer, "require_still", no_op)],
        "disabled-account-acts": [Replacement(policy.Policy, "is_allowed", as_if_active)],
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
        "approves-an-edited-proposal-without-the-promise": [
            Replacement(
                fold,
                "RULES",
                tuple(
                    without_a_promise if one is first_rule else one
                    for one in rules.RULES
                    if one is not rules._check_promise
                ),
            )
        ],
        "editor-approves": [Replacement(policy.Policy, "approval_action", by_editors)],
        "anybody-confirms": [
            Replacement(
                order_rules, "_ACTION_OF", {**order_rules._ACTION_OF, K.CONFIRM: "read-drafts"}
            )
        ],
    }
)


def test_random_stories_of_people_with_changing_roles_keep_every_rule_and_reach_every_act():
    wrong, done, by_two = {}, set(), 0
    for seed in range(_STORIES):
        world = StaffedWorld(seed)
        if found := staffed_story_of(world):
            wrong[seed] = found
        done |= {one.kind for one in world.log.actions if one.by in NAMES}
        by_two += world.approved_by_two
    assert wrong == {}
    assert by_two, "urgent texts are approved, too"
    assert done >= MAY.keys()


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_planted_mistake_is_found(mistake):
    with MISTAKES.planted(mistake):
        stories = map(staffed_story, range(_MOST_STORIES))
        assert next(filter(None, stories), None)
