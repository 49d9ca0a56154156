"""Random stories of people at the desk of one item, on a real bus, where processes die.

The fold is tested by thousands of stories; these are fewer, and compare what intake did with it.
"""

from dataclasses import replace
from secrets import token_hex

import pytest

from consumers.dead_letters.decisions import DeadLetterDecisions
from consumers.desk.orders.rules import OrderRules
from consumers.editorial.log import EditorialLog
from consumers.intake import item_log
from consumers.intake.draft_decisions import DraftDecisions
from consumers.intake.release import Releaser
from consumers.staff.authorization import Authorizer
from consumers.staff.policy import Policy, Verdict
from contracts import subjects
from contracts.editorial import ActionKind
from contracts.publication import encode
from tests.support.carried_out_world import CarriedOutWorld, sign_in_people
from tests.support.events import register_unit
from tests.support.planted_bugs import PlantedBugs

STORIES, MOST_STORIES = 40, 100
MISTAKES = PlantedBugs()
PLAYED_FIRST = {
    "release-before-the-fence": (15,),
    "release-twice": (2,),
    "agreement-used-up-before-its-act": (3,),
    "an-agreement-counts-for-ever": (6,),
    "a-letter-is-sent-under-a-new-id": range(3, 4 * MOST_STORIES, 4),
    "a-text-goes-out-without-its-file": (9,),
}
"""Of the mistakes that some stories miss: one that finds it as a rule; all those with a letter."""


@MISTAKES.instead_of(DraftDecisions, "begin_release")
async def release_before_the_fence(original, desk, draft):
    """The approval that was read at first counts, and no act says that the text leaves."""
    state = await item_log.read(desk.log, draft.content_id)
    return replace(state, approved={**state.approved, draft.revision: draft.text})


@MISTAKES.instead_of(Releaser, "find_stored", "release-twice")
async def not_looked_for(original, releaser, released):
    return None


@MISTAKES.instead_of(Releaser, "store", "release-twice")
async def under_a_new_id(original, releaser, released, trace=None):
    subject = subjects.publication(released.topic, released.content_id)
    ack = await releaser.bus.publish(subject, encode(released), msg_id=token_hex(8))
    return ack.seq


@MISTAKES.instead_of(EditorialLog, "_append")
async def answer_what_is_not_stored(original, log, content_id, action, *place):
    """Later sendings of an item are answered, and are nowhere."""
    is_lost = action.kind is ActionKind.SUBMIT and action.revision > 1
    return is_lost or await original(log, content_id, action, *place)


@MISTAKES.instead_of(Policy, "approval_action")
def one_approver_is_enough(original, rules, **facts):
    return "approve"


@MISTAKES.instead_of(Authorizer, "decide")
async def agreement_used_up_before_its_act(original, rules, signed_in, act):
    return await original(rules, signed_in, act._replace(is_of_state=False))


@MISTAKES.instead_of(Authorizer, "require_still")
async def rights_as_at_sign_in(original, *asked):
    """A role that was taken away while its person was signed in counts."""


@MISTAKES.instead_of(Authorizer, "_rule_again")
async def an_agreement_counts_for_ever(original, rules, account, act, alone):
    """A first approver who has lost the role right before the act counts."""
    is_half = alone.verdict is Verdict.NEEDS_SECOND
    return alone._replace(verdict=Verdict.ALLOWED) if is_half else alone


@MISTAKES.instead_of(DeadLetterDecisions, "publish")
async def a_letter_is_sent_under_a_new_id(original, decisions, begun, message):
    return await decisions.store.bus.publish(message.subject, message.body, msg_id=token_hex(8))


@MISTAKES.instead_of(OrderRules, "check_uploads")
async def a_text_goes_out_without_its_file(original, *asked):
    """A file that was not uploaded bars nothing."""


@pytest.fixture
async def played(bus, clock):
    """Plays stories one after the other."""
    await register_unit(bus, release="desk", urgent=True)
    people = await sign_in_people(bus, clock)

    async def play(seed: int) -> tuple[list[str], CarriedOutWorld]:
        world = CarriedOutWorld(bus, clock, people, seed)
        return await world.run(), world

    return play


async def test_each_approved_text_is_out_once_and_each_withdrawn_one_gone(played):
    wrong, crashes, out, gone, halves, files = {}, 0, 0, 0, 0, 0
    for seed in range(STORIES):
        found, world = await played(seed)
        wrong |= {seed: found} if found else {}
        state = (await world.log.read(world.item)).state
        crashes, out, gone = crashes + world.crashes, out + len(state.published), gone + state.ended
        halves, files = halves + world.halves_lost, files + world.uploaded
    assert wrong == {}
    assert min(crashes, out, gone) > STORIES / 3, "they reach what they are about"
    assert min(halves, files) > 1


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_each_planted_mistake_is_found(played, mistake):
    with MISTAKES.planted(mistake):
        for seed in (*PLAYED_FIRST.get(mistake, ()), *range(MOST_STORIES)):
            if (await played(seed))[0]:
                return
    pytest.fail("not found")
