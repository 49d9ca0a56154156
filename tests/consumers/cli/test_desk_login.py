"""`loa login` for people who sign in at the desk: by a code that they confirm there."""

import asyncio
import os
import pwd

import pytest

from consumers.cli import authorization, desk_login
from consumers.staff import terminals
from consumers.staff.accounts import OidcSubject
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.provider_sessions import ProviderSession
from consumers.staff.terminals import Terminals
from contracts.base.times import utc_now
from tests.support.cli import json_output
from tests.support.staff import StaffHarness

CODE, OPERATOR = "BCDFGHJK", "quan-tri-kenh"
ISSUER, SUBJECT = "https://dinh-danh.example", "7c9e"
DESK = "https://ban-duyet.example.gov.vn"


@pytest.fixture
def staff(bus, clock):
    return StaffHarness(bus, clock)


@pytest.fixture
def terminal(loa, clock, monkeypatch, tmp_path):
    """`loa` at a terminal whose codes the test knows."""
    monkeypatch.setattr(authorization, "_CLOCK", clock)
    monkeypatch.setattr(terminals, "_new_code", lambda: CODE)
    monkeypatch.setattr(desk_login, "_LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(authorization, "has_terminal", lambda: True)
    return loa.extended(XDG_STATE_HOME=str(tmp_path / "state"), LOA_DESK_URL=DESK)


async def person(staff, *roles: str, login="an"):
    """An account of a person of the identity provider, without a password."""
    account, _ = await staff.invited(login, *roles)
    identity = OidcSubject(issuer=ISSUER, subject=f"{SUBJECT}-{login}")
    return await IdentityLinks(staff.accounts).link(account.id, identity)


async def desk_session(staff, account):
    """The session of a browser that has just come from the provider with two factors."""
    provider = ProviderSession(issuer=ISSUER, subject=account.oidc.subject)
    now = utc_now(staff.clock)
    token = await staff.sessions.start(account, provider=provider, second_factor=now)
    return (await staff.sessions.find(token)).session


async def confirmed(staff, account, command):
    """Run *command*, and let its terminal in as *account* once it waits."""
    waiting, running = Terminals(staff.sessions), asyncio.create_task(command)
    while await waiting.find(CODE) is None:
        assert not running.done(), (await running).output
        await asyncio.sleep(0.01)
    await waiting.confirm(CODE, await desk_session(staff, account))
    return await running


async def test_a_person_of_the_identity_provider_signs_a_terminal_in(staff, terminal):
    an = await person(staff, OPERATOR)
    for words in (("login",), ("login", "an")):
        done = await confirmed(staff, an, terminal(*words))
        assert done.exit_code == 0, done.output
        assert f"{DESK}/dong-lenh" in done.stderr and "BCDF-GHJK" in done.stderr
        assert json_output(await terminal("whoami", "--json"))["id"] == an.id
    assert (await terminal("pause", "email")).exit_code == 0
    assert CODE not in str(await staff.sessions.bucket.keys(""))


async def test_a_step_up_is_confirmed_at_the_desk_by_the_same_person(staff, terminal, clock):
    an = await person(staff, "bao-ve-du-lieu")
    await confirmed(staff, an, terminal("login"))
    words = ("subscribers", "show", "khong-co@example.com")
    assert "the address is known" not in (await terminal(*words)).stderr
    clock.advance(301)
    other = await person(staff, "bao-ve-du-lieu", login="binh")
    running = asyncio.create_task(terminal(*words))
    waiting = Terminals(staff.sessions)
    while await waiting.find(CODE) is None:
        assert not running.done(), (await running).output
        await asyncio.sleep(0.01)
    with pytest.raises(terminals.Invalid):
        await waiting.confirm(CODE, await desk_session(staff, other))
    await waiting.confirm(CODE, await desk_session(staff, an))
    assert "not signed in" not in (await running).stderr
    assert json_output(await terminal("whoami", "--json"))["id"] == an.id


async def test_without_a_desks_address_no_code_is_shown(staff, terminal):
    await person(staff)
    refused = await terminal("login", LOA_DESK_URL="")
    assert refused.exit_code == 2 and "LOA_DESK_URL" in refused.stderr
    assert await staff.sessions.bucket.keys("terminal.") == []


async def test_without_a_terminal_no_code_waits_for_a_person(staff, terminal, monkeypatch):
    monkeypatch.setattr(authorization, "has_terminal", lambda: False)
    refused = await terminal("login")
    assert refused.exit_code == 2 and "login: " in refused.stderr and "--by" in refused.stderr
    assert await staff.sessions.bucket.keys("terminal.") == []


async def test_a_terminal_that_no_person_confirms_gives_up(staff, terminal, clock):
    await person(staff)
    running = asyncio.create_task(terminal("login"))
    while await Terminals(staff.sessions).find(CODE) is None:
        await asyncio.sleep(0.01)
    clock.advance(601)
    refused = await running
    assert refused.exit_code == 2 and "không" not in refused.stdout
    assert (await terminal("whoami")).exit_code == 2
    assert await staff.sessions.bucket.keys("terminal.") == []


async def test_a_desk_on_this_machine_alone_is_not_sent_to_another_device(
    staff, terminal, monkeypatch, clock
):
    """And the desk names the user of the terminal also where $USER is not set."""
    await person(staff)
    monkeypatch.delenv("USER", raising=False)
    here = "http://127.0.0.1:8100"
    running = asyncio.create_task(terminal("login", LOA_DESK_URL=here))
    while (waiting := await Terminals(staff.sessions).find(CODE)) is None:
        assert not running.done(), (await running).output
        await asyncio.sleep(0.01)
    clock.advance(601)
    told = (await running).stderr
    assert waiting.user == pwd.getpwuid(os.geteuid()).pw_name
    assert f"{here}/dong-lenh" in told and "browser of this machine" in told
    assert "device of your own" not in told and "LOA_DESK_URL" in told


async def test_an_invitation_takes_a_name(terminal, bus):
    refused = await terminal("login", "--invited")
    assert refused.exit_code == 2 and "login:" in refused.stderr
