"""A terminal that a person lets in from the desk: one session, for one code, in time."""

import asyncio
from datetime import timedelta

import pytest

from consumers.staff.provider_sessions import ProviderSession, mark_ended
from consumers.staff.terminals import Terminals, shown_code
from contracts.errors import ContractError, Unauthorized
from tests.support.staff import StaffHarness

PROVIDER = ProviderSession(issuer="https://id.example", subject="7c9e", session_id="s1")


@pytest.fixture
def staff(bus, clock):
    return StaffHarness(bus, clock)


@pytest.fixture
def terminals(staff):
    return Terminals(staff.sessions)


async def desk_session(staff, login="an", **options):
    """The session of a new account's browser."""
    account = await staff.active(login)
    token = await staff.sessions.start(account, network="198.51.100.7", **options)
    return (await staff.sessions.find(token)).session


async def test_a_confirmed_code_becomes_one_session_of_the_person(staff, terminals, clock):
    session = await desk_session(staff)
    code = await terminals.ask("may-chu", "loa")
    assert await terminals.redeem(code) is None
    clock.advance(60)
    await terminals.confirm(f" {shown_code(code).lower()} ", session)
    tokens = [await outcome(terminals.redeem(code)) for _ in range(2)]
    assert tokens[1] == "unauthorized"
    own = (await staff.sessions.find(tokens[0])).session
    assert own.network == "terminal" and own.used - session.used == timedelta(seconds=60)
    for name in ("account", "started", "second_factor"):
        assert getattr(own, name) == getattr(session, name), name


async def outcome(work):
    try:
        return await work
    except ContractError as refused:
        return refused.code


async def test_of_two_terminals_with_one_code_one_gets_a_session(staff, terminals):
    code = await terminals.ask("may-chu", "loa")
    await terminals.confirm(code, await desk_session(staff))
    done = await asyncio.gather(*(outcome(terminals.redeem(code)) for _ in range(3)))
    assert sorted(one == "unauthorized" for one in done) == [False, True, True]


@pytest.mark.parametrize("wrong", ["mistyped", "old", "used", "of another account", "withdrawn"])
async def test_no_other_code_lets_a_terminal_in(staff, terminals, clock, wrong):
    session = await desk_session(staff)
    code = await terminals.ask("may-chu", "loa", "nv-x" if wrong == "of another account" else "")
    if wrong == "old":
        clock.advance(600)
    elif wrong == "used":
        await terminals.confirm(code, session)
        session = session.model_copy(update={"account": "nv-y"})
    elif wrong == "withdrawn":
        await terminals.withdraw(code)
    given = "BCDFGHJK" if wrong == "mistyped" else code
    with pytest.raises(ContractError):
        await terminals.confirm(given, session)
    assert (await terminals.find(given) is None) == (wrong != "of another account")
    if wrong in ("old", "withdrawn"):
        with pytest.raises(Unauthorized):
            await terminals.redeem(code)


@pytest.mark.parametrize("ending", ["disabled", "signed out", "provider", "late"])
async def test_a_person_whose_sessions_have_ended_lets_no_terminal_in(
    staff, terminals, clock, ending
):
    session = await desk_session(staff, provider=PROVIDER)
    code = await terminals.ask("may-chu", "loa")
    await terminals.confirm(code, session)
    if ending == "disabled":
        await staff.accounts.set_state(session.account, "disabled")
    elif ending == "signed out":
        await staff.accounts.sign_out_everywhere(session.account)
    elif ending == "provider":
        await mark_ended(staff.sessions.bucket, PROVIDER)
    else:
        clock.advance(600)
    with pytest.raises(Unauthorized):
        await terminals.redeem(code)
    keys = await staff.sessions.bucket.keys("session.")
    assert len(keys) == 1


async def test_what_the_provider_signs_out_ends_at_the_terminal_too(staff, terminals):
    session = await desk_session(staff, provider=PROVIDER)
    code = await terminals.ask("may-chu", "loa")
    await terminals.confirm(code, session)
    token = await terminals.redeem(code)
    assert await staff.sessions.find(token)
    assert await staff.sessions.end_of_provider(PROVIDER) == 2
    assert await staff.sessions.find(token) is None
