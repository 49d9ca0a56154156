"""Random stories of people at one item keep every hard rule, and each planted mistake is found."""

from dataclasses import replace
from hashlib import sha256

import pytest

from contracts.editorial import ActionKind, Status, fold, name_hash, rules, state
from contracts.editorial.moves import MOVES
from tests.support import editorial_world
from tests.support.editorial_world import EditorialWorld, MemoryLog, story, told_of
from tests.support.planted_bugs import PlantedBugs, Replacement

_STORIES = 200
_MOST_STORIES = 2500
_RARE = {
    "publish-brings-withdrawn-back": (1192,),
    "same-person-by-the-name-of-an-account": (94,),
    "withdraw-by-its-writer-behind-a-draft": (406,),
}
"""The first story that shows a mistake which few do: told before all others."""
K, S = ActionKind, Status


def rule_of(name):
    """The rule that checks *name*."""
    [found] = [one for one in rules.RULES if one.__name__ == f"_check_{name}"]
    return found


def without(name) -> list[Replacement]:
    others = tuple(one for one in rules.RULES if one is not rule_of(name))
    return [Replacement(fold, "RULES", others)]


def barring_all_but(kind, names) -> list[Replacement]:
    """Who did *names* of a text may do *kind* to it."""
    original = rules._barred

    def barred(now, action):
        found = original(now, action)
        return found - names(now) if action.kind is kind else found

    return [Replacement(rules, "_barred", barred)]


def taking(kind, take) -> list[Replacement]:
    return [Replacement(fold, "_EFFECTS", {**fold._EFFECTS, kind: take})]


def unless(name, is_spared) -> list[Replacement]:
    """The rule that checks *name* spares some acts."""
    rule = rule_of(name)

    def lenient(now, action):
        if not is_spared(action):
            rule(now, action)

    others = tuple(lenient if one is rule else one for one in rules.RULES)
    return [Replacement(fold, "RULES", others)]


def edited_and_still_approved(now, action):
    kept = fold._edit(now, action)
    return replace(kept, status=S.APPROVED, approved={**now.approved, action.revision: now.text})


def edited_by_who_took_it(now, action):
    return replace(fold._edit(now, action), last_editor=action.by)


def begun_without_earlier_writers(now, action):
    return original_begin(replace(now, writers_of={}, last_editor=""), action)


original_begin = fold._begin


original_status_after = fold._status_after


def answered_for_by_its_editor(now, action):
    return fold._edit(now, action.model_copy(update={"is_clean": None}))


original_answer = rules._is_answered_for


def answered_for_at_its_proposal(now, action):
    return now.status is S.PENDING_APPROVAL or original_answer(now, action)


def undecided_by_a_rule(now, action):
    return original_status_after(now, action.model_copy(update={"rule": ""}))


def wrote_it(now):
    return now.wrote.get(now.hash, frozenset())


def still_approved_when_out(now, action):
    return replace(fold._publish(now, action), approved=now.approved)


def out_again(now, action):
    """A text that was on its way comes out after the withdrawal."""
    return fold._publish(replace(now, ended=0), action)


def counted_again(now, action):
    """A repeat is a new act."""
    for rule in rules.RULES:
        rule(now, action)
    known = replace(now, head=action.digest, ids=now.ids | {action.id})
    return fold._apply(known, action, fold._status_after(now, action))


def stored_anyway(log, body, _expected):
    log.bodies.append(body)
    return True


def overwritten(log, body, expected):
    """The second of two writers at the same time takes the first one's place."""
    log.bodies[expected:] = [body]
    return True


MISTAKES = PlantedBugs(
    {
        "approve-own-text": barring_all_but(K.APPROVE, lambda now: now.writers),
        "approve-own-edit": barring_all_but(
            K.APPROVE, lambda now: frozenset({now.last_editor, now.center_checker})
        ),
        "approve-stale-hash": unless("text", lambda one: one.kind is K.APPROVE),
        "edit-after-approval-keeps-it": taking(K.EDIT, edited_and_still_approved),
        "edit-what-is-about-to-leave": [
            Replacement(module, "MOVES", {**MOVES, (S.SCHEDULED, K.EDIT): S.PENDING_APPROVAL})
            for module in (rules, fold, state)
        ],
        "take-without-change-counts-as-edit": [
            *taking(K.EDIT, edited_by_who_took_it),
            *barring_all_but(K.APPROVE, lambda now: wrote_it(now) - {now.last_editor}),
        ],
        "empty-edit-takes-approval-away": [
            *without("edit"),
            *taking(K.EDIT, edited_and_still_approved),
        ],
        "forget-writers-of-a-draft": [
            Replacement(fold, "_begin", begun_without_earlier_writers),
        ],
        "forget-who-wrote-a-text-that-came-back": barring_all_but(
            K.APPROVE, lambda now: wrote_it(now) - now.writers - {now.last_editor}
        ),
        **{
            f"{kind}-stale-hash": unless("text", lambda one, kind=kind: one.kind is kind)
            for kind in (K.SUBMIT, K.CONFIRM, K.PROPOSE, K.RETURN, K.REJECT, K.SCHEDULE, K.WITHDRAW)
        },
        "withdraw-what-a-later-one-replaced": [
            Replacement(
                rules, "_is_taken_back", lambda now, one: one.kind is K.WITHDRAW and now.published
            )
        ],
        "a-rule-approves-a-persons-text": without("rule"),
        "people-decide-on-what-a-rule-approved": [
            Replacement(fold, "_status_after", undecided_by_a_rule)
        ],
        "publish-brings-withdrawn-back": taking(K.PUBLISH, out_again),
        "release-twice": taking(K.PUBLISH, still_approved_when_out),
        "release-unapproved": without("approval"),
        "anybody-sends-for-a-unit": without("unit"),
        "a-person-publishes": unless("actor", lambda one: one.kind is K.PUBLISH),
        "a-system-approves": unless("actor", lambda one: one.kind is K.APPROVE),
        "a-name-without-letters": unless("actor", lambda one: one.by == "***"),
        "same-person-under-another-spelling": [
            Replacement(state, "name_hash", lambda name: sha256(name.encode()).hexdigest())
        ],
        "same-person-by-the-name-of-an-account": [
            Replacement(rules, "hashes_of", lambda _, people: {*map(name_hash, people)})
        ],
        "confirm-own-text": barring_all_but(K.CONFIRM, lambda now: now.writers | wrote_it(now)),
        "check-without-a-promise": without("promise"),
        "approve-an-edited-proposal-without-a-promise": [
            *unless("promise", lambda one: one.kind is K.APPROVE),
            Replacement(rules, "_is_answered_for", answered_for_at_its_proposal),
        ],
        "name-the-editor-of-a-proposal-in-place-of-its-approver": taking(
            K.EDIT, answered_for_by_its_editor
        ),
        "skip-confirmation": without("checkpoints"),
        "one-person-at-both-checkpoints": barring_all_but(
            K.PROPOSE, lambda now: {now.unit_checker}
        ),
        "accept-broken-chain": [
            *without("chain"),
            Replacement(MemoryLog, "append", stored_anyway),
        ],
        "lose-text-on-conflict": [Replacement(MemoryLog, "append", overwritten)],
        "count-repeat": [Replacement(editorial_world, "state_after", counted_again)],
        "accept-older-revision": without("revision"),
        "return-without-reason": unless("reason", lambda one: one.kind is K.RETURN),
        "return-with-a-blank-reason": unless("reason", lambda one: one.note.isspace()),
        "reject-without-code": unless("reason", lambda one: one.kind is K.REJECT),
        "withdraw-by-its-writer": barring_all_but(
            K.WITHDRAW, lambda now: now.writers_of.get(now.out, frozenset())
        ),
        "withdraw-by-its-writer-behind-a-draft": barring_all_but(
            K.WITHDRAW, lambda now: now.writers_of.get(now.out, frozenset()) - now.writers
        ),
    }
)


def test_random_stories_keep_every_hard_rule_and_reach_every_status_and_every_act():
    wrong, kinds, statuses = {}, set(), set()
    for seed in range(_STORIES):
        world = EditorialWorld(seed)
        if found := told_of(world):
            wrong[seed] = found
        kinds |= {action.kind for action in world.log.actions}
        statuses |= {one.status for one in world.states}
    assert wrong == {}
    assert kinds == set(ActionKind)
    assert statuses == {None, *Status} - {S.EXPIRED}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_planted_mistake_is_found(mistake):
    with MISTAKES.planted(mistake):
        stories = map(story, [*_RARE.get(mistake, ()), *range(_MOST_STORIES)])
        assert next(filter(None, stories), None)
