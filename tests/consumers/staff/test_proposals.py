"""Actions for two: the first account proposes, another one does exactly the same."""

import asyncio

import pytest

from consumers.app.wiring.retention import build_retention
from consumers.intake.draft_decisions import DraftDecisions
from consumers.staff.policy import ObjectFacts, Verdict, default_policy
from consumers.staff.proposals import Asked, Proposals
from contracts.base.retention import DEFAULT
from contracts.errors import Conflict, Forbidden
from tests.support.staff import KEYS, StaffHarness

ARGUMENTS = ["add", "binh"]


@pytest.fixture
def staff(bus, clock) -> StaffHarness:
    return StaffHarness(bus, clock)


@pytest.fixture
def proposals(staff) -> Proposals:
    return Proposals(staff.accounts, default_policy())


@pytest.fixture
async def managers(staff):
    return [await staff.active(login, "quan-tri-tai-khoan") for login in ("an", "binh")]


async def verdict(proposals, person, arguments=ARGUMENTS, action="manage-people") -> Verdict:
    asked = Asked(person, action, ObjectFacts(), arguments)
    return (await proposals.authorize(asked)).verdict


async def test_the_second_account_carries_out_what_the_first_proposed(proposals, managers):
    one, two = managers
    assert await verdict(proposals, one) is Verdict.NEEDS_SECOND
    assert await verdict(proposals, one) is Verdict.NEEDS_SECOND, "twice the same is one"
    assert await verdict(proposals, two) is Verdict.ALLOWED
    assert await verdict(proposals, two) is Verdict.NEEDS_SECOND, "a proposal is used up"


@pytest.mark.parametrize("first", [0, 1])
async def test_of_two_who_agree_at_the_same_time_one_acts_and_nothing_is_left(
    staff, proposals, managers, first
):
    """Both have read the proposal before *first* uses it up."""
    await verdict(proposals, await staff.active("cuong", "quan-tri-tai-khoan"))
    verdicts = await at_once(staff, managers, "purge_if", first)
    assert verdicts[first] is Verdict.ALLOWED
    assert isinstance(verdicts[not first], Conflict)
    assert await proposals.waiting("manage-people") == []


async def test_who_proposes_again_while_another_one_agrees_proposes_nothing_new(
    staff, proposals, managers
):
    operator = await staff.active("dung", "quan-tri-kenh")
    await verdict(proposals, managers[0], action="restore")
    people = [operator, managers[1]]
    verdicts = await at_once(staff, people, ("purge_if", "swap"), 0, action="restore")
    assert verdicts[0] is Verdict.ALLOWED and isinstance(verdicts[1], Conflict)
    assert await proposals.waiting("restore") == []


async def test_who_agrees_to_what_waits_no_more_proposes_nothing(proposals, managers):
    asked = Asked(managers[0], "manage-people", ObjectFacts(), ARGUMENTS, may_propose=False)
    with pytest.raises(Conflict):
        await proposals.authorize(asked)
    assert await proposals.waiting("manage-people") == []


async def at_once(staff, people, calls, first, **options) -> list[Verdict | BaseException]:
    """Two accounts agree; each is about to write by its call, then *first* writes first."""
    both, done = asyncio.Barrier(2), asyncio.Event()

    async def agree(number: int, call: str) -> Verdict:
        own = Proposals(staff.accounts, default_policy())
        write = getattr(own.bucket, call)

        async def in_order(*args, **kwargs):
            setattr(own.bucket, call, write)
            await both.wait()
            if number != first:
                await done.wait()
            return await write(*args, **kwargs)

        setattr(own.bucket, call, in_order)
        try:
            return await verdict(own, people[number], **options)
        finally:
            done.set()

    each = calls if isinstance(calls, tuple) else (calls, calls)
    agreed = (agree(number, call) for number, call in enumerate(each))
    return await asyncio.gather(*agreed, return_exceptions=True)


async def test_of_two_who_propose_at_the_same_time_the_later_one_carries_out(proposals, managers):
    verdicts = await asyncio.gather(*(verdict(proposals, one) for one in managers))
    assert sorted(verdicts) == [Verdict.NEEDS_SECOND, Verdict.ALLOWED]


async def test_another_act_is_another_proposal(proposals, managers):
    one, two = managers
    await verdict(proposals, one)
    assert await verdict(proposals, two, ["add", "cuong"]) is Verdict.NEEDS_SECOND


@pytest.mark.parametrize("change", ["disabled", "roles"])
async def test_a_proposal_counts_while_its_account_may_still_act(
    staff, proposals, managers, change
):
    one, two = managers
    await verdict(proposals, one)
    if change == "disabled":
        await staff.accounts.set_state(one.id, "disabled")
    else:
        await staff.accounts.set_grants(one.id, ())
    assert await verdict(proposals, two) is Verdict.NEEDS_SECOND


async def test_a_refused_account_proposes_nothing(staff, proposals, managers):
    officer = await staff.active("dung", "nguoi-gui-tin")
    with pytest.raises(Forbidden) as wrong:
        await verdict(proposals, officer)
    assert wrong.value.errors[0].field == "manage-people"
    assert await verdict(proposals, managers[0]) is Verdict.NEEDS_SECOND


async def test_a_restore_takes_an_operator_and_an_account_manager(staff, proposals, managers):
    operator = await staff.active("dung", "quan-tri-kenh")
    first = [await verdict(proposals, one, None, "restore") for one in managers]
    assert first == [Verdict.NEEDS_SECOND, Verdict.NEEDS_SECOND]
    assert await verdict(proposals, operator, None, "restore") is Verdict.ALLOWED


async def test_a_proposal_counts_for_its_own_days_and_not_as_long_as_sessions_are_kept(
    proposals, managers, clock
):
    one, two = managers
    await proposals.authorize(Asked(one, "manage-people", ObjectFacts(), ARGUMENTS))
    clock.advance(DEFAULT.proposals * 86400 + 1)
    assert await proposals.waiting("manage-people") == []
    assert await verdict(proposals, two) is Verdict.NEEDS_SECOND
    assert await verdict(proposals, one) is Verdict.ALLOWED


async def test_an_old_proposal_is_removed(staff, proposals, managers, clock):
    await verdict(proposals, managers[0])
    service = build_retention(DraftDecisions(staff.bus, clock), KEYS, DEFAULT)
    assert (await service.run_once(is_clock_right=True))["proposals"] == 0
    clock.advance(DEFAULT.proposals * 86400 + 1)
    assert (await service.run_once())["proposals"] == 1
    assert await proposals.bucket.keys("proposal.") == []
