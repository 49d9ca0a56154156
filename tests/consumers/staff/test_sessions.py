"""Sessions on a real bus: how they end, in every process at once, and what the bus knows."""

import re

import pytest

from consumers.staff.accounts import AccountStore
from consumers.staff.policy import Grant
from consumers.staff.sessions import SessionStore, session_id, token_key
from contracts.base.times import utc_now
from producers.bus import Bus, BusError, NoReply
from tests.support.events import bucket_records
from tests.support.staff import StaffHarness


@pytest.fixture
def staff(bus, clock) -> StaffHarness:
    return StaffHarness(bus, clock)


@pytest.fixture
async def token(staff) -> str:
    return await staff.sessions.start(await staff.active())


@pytest.fixture
async def elsewhere(nats_server, clock, token):
    """The sessions as another process sees them, with a connection of its own."""
    async with await Bus.connect(nats_server.url, name="elsewhere") as other:
        sessions = SessionStore(other, AccountStore(other, clock), clock)
        assert await sessions.find(token)
        yield sessions


async def test_a_token_has_256_bits_and_the_bus_knows_its_hash_alone(staff, bus, token):
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", token)
    assert token != await staff.sessions.start(await staff.accounts.require("an"))
    assert token not in str(await bucket_records(bus, "sessions"))
    found = await staff.sessions.find(token)
    assert found.account.login == "an" and found.session.account == found.account.id


@pytest.mark.parametrize("wrong", ["", "x", "x" * 43, "é" * 43, "../" * 20])
async def test_no_other_token_is_taken(staff, token, wrong):
    assert await staff.sessions.find(wrong) is None
    assert await staff.sessions.find(token_key(token).removeprefix("session.")) is None


async def test_a_session_ends_after_15_minutes_without_use(staff, clock, token):
    for _ in range(3):
        clock.advance(14 * 60)
        assert await staff.sessions.find(token)
    clock.advance(15 * 60)
    assert await staff.sessions.find(token) is None
    clock.advance(-60)
    assert await staff.sessions.find(token) is None, "an ended session is gone"


async def test_a_session_ends_after_10_hours_however_busy(staff, clock, token):
    for _ in range(59):
        clock.advance(600)
        assert await staff.sessions.find(token)
    clock.advance(600)
    assert await staff.sessions.find(token) is None


async def test_disabling_ends_it_everywhere_at_once_and_enabling_does_not_revive_it(
    staff, elsewhere, token
):
    account = await staff.accounts.require("an")
    await staff.accounts.set_state(account.id, "disabled")
    assert await elsewhere.find(token) is None
    await staff.accounts.set_state(account.id, "active")
    assert await staff.sessions.find(token) is None


@pytest.mark.parametrize("what", ["roles", "reset", "sign out everywhere"])
async def test_a_change_ends_every_session_of_the_account_and_no_other(
    staff, elsewhere, token, what
):
    other = await staff.sessions.start(await staff.active("binh"))
    account = await staff.accounts.require("an")
    acts = {
        "roles": lambda: staff.accounts.set_grants(account.id, (Grant(role="bien-tap-vien"),)),
        "reset": lambda: staff.accounts.reset(account.id),
        "sign out everywhere": lambda: staff.accounts.sign_out_everywhere(account.id),
    }
    await acts[what]()
    assert await elsewhere.find(token) is None
    assert await elsewhere.find(other)


async def test_signing_out_ends_one_session(staff, elsewhere, token):
    second = await staff.sessions.start(await staff.accounts.require("an"))
    await staff.sessions.end(token)
    assert await elsewhere.find(token) is None
    assert await elsewhere.find(second)


async def test_a_second_factor_counts_for_5_minutes(staff, clock, token):
    async def is_stepped_up(of: str) -> bool:
        return (await staff.sessions.find(of)).session.is_stepped_up(utc_now(clock))

    assert await is_stepped_up(token)
    clock.advance(300)
    assert not await is_stepped_up(token)
    fresh = await staff.sessions.renew(token, stepped_up=True)
    assert fresh != token and await is_stepped_up(fresh)
    assert await staff.sessions.find(token) is None


async def test_of_two_requests_that_show_a_fresh_token_first_none_is_signed_out(
    staff, token, monkeypatch
):
    fresh, look = await staff.sessions.renew(token), SessionStore._has_base

    async def after_the_other(*args):
        monkeypatch.undo()
        assert await staff.sessions.find(fresh)
        return await look(*args)

    monkeypatch.setattr(SessionStore, "_has_base", after_the_other)
    assert await staff.sessions.find(fresh)
    assert await staff.sessions.find(fresh), "afterwards, too"


async def test_a_session_works_until_the_token_in_its_place_has_arrived(staff, token):
    """Also when several answers are lost, one after the other."""
    lost = [await staff.sessions.renew(token, stepped_up=True) for _ in range(2)]
    assert await staff.sessions.find(lost[1], has_arrived=False)
    assert await staff.sessions.find(token)
    fresh = await staff.sessions.renew(token)
    assert await staff.sessions.find(fresh)
    assert await staff.sessions.find(token) is None


async def listed(staff) -> list[str]:
    """The ids of the account's sessions, as its page shows them."""
    account = await staff.accounts.require("an")
    return [one.id for one in await staff.sessions.of_account(account)]


async def test_lost_answers_leave_one_session_in_the_list(staff, token):
    [id] = await listed(staff)
    for _ in range(3):
        fresh = await staff.sessions.renew(token, stepped_up=True)
        assert await staff.sessions.find(fresh, has_arrived=False)
        assert await listed(staff) == [id], "the one that the person has"
    assert await staff.sessions.find(fresh)
    assert await listed(staff) == [session_id(fresh)]


@pytest.mark.parametrize("end", ["sign out", "by id"])
async def test_a_token_that_never_arrived_ends_with_the_session_that_it_replaces(staff, token, end):
    lost = await staff.sessions.renew(token, stepped_up=True)
    if end == "sign out":
        await staff.sessions.end(token)
    else:
        account = await staff.accounts.require("an")
        assert await staff.sessions.end_own(account, session_id(token))
    assert await staff.sessions.find(lost) is None
    assert await listed(staff) == []


async def test_of_two_tokens_for_one_session_the_first_that_arrives_counts(staff, token):
    one, two = [await staff.sessions.renew(token, stepped_up=True) for _ in range(2)]
    assert await staff.sessions.find(one)
    assert await staff.sessions.find(two) is None
    assert await listed(staff) == [session_id(one)]


async def test_a_lost_answer_leaves_no_session_after_one_that_arrived(staff, token):
    """Of the second renewal of a sign-in, as of the first."""
    second = await staff.sessions.renew(token)
    assert await staff.sessions.find(second)
    lost = await staff.sessions.renew(second, stepped_up=True)
    account = (await staff.sessions.find(second)).account
    assert len(await staff.sessions.of_account(account)) == 1
    await staff.sessions.end(second)
    assert await staff.sessions.find(lost) is None


async def test_a_token_that_arrives_while_the_bus_fails_is_not_lost(staff, token, monkeypatch):
    fresh = await staff.sessions.renew(token)
    for step in ("swap", "purge"):
        with monkeypatch.context() as patched:
            fail_behind(patched, staff.sessions.bucket, step)
            with pytest.raises(BusError):
                await staff.sessions.find(fresh)
    assert await staff.sessions.find(fresh)
    assert await listed(staff) == [session_id(fresh)]
    assert await staff.sessions.find(token) is None


def fail_behind(patched, bucket, step: str) -> None:
    """Do the next *step*, and everything behind it fails."""
    original = getattr(bucket, step)

    async def unavailable(*_, **__):
        raise NoReply("no answer")

    async def last(*args, **kwargs):
        done = await original(*args, **kwargs)
        for name in ("purge", "swap"):
            patched.setattr(bucket, name, unavailable)
        return done

    patched.setattr(bucket, step, last)


async def test_a_renewed_session_keeps_its_10_hours(staff, clock, token):
    for _ in range(59):
        clock.advance(600)
        token = await staff.sessions.renew(token)
    clock.advance(600)
    assert await staff.sessions.renew(token) is None


async def test_a_session_that_ends_while_it_is_used_stays_ended(staff, bus, clock, token):
    clock.advance(60)
    await bus.bucket("sessions").purge(token_key(token))
    assert await staff.sessions._touch(token, utc_now(clock)) is None
    assert await staff.sessions.find(token) is None
