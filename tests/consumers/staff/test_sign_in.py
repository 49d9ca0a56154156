"""Accounts on a real bus: invitation, password and code, replay, and failures that slow down."""

import asyncio

import pytest

from consumers.errors import KeyFileBroken
from consumers.key_file import KeyFile
from consumers.staff import throttle, totp
from consumers.staff.accounts import NewAccount
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sign_in import SignIn
from consumers.staff.throttle import network_of, wait_s
from consumers.staff.totp import TotpSecrets
from contracts.errors import Conflict, Invalid, RateLimited, Unauthorized
from contracts.staff.sign_in import Activation, Attempt, text_secret
from tests.support.staff import PASSWORD, SECRET, StaffHarness


@pytest.fixture
def staff(bus, clock) -> StaffHarness:
    return StaffHarness(bus, clock)


async def test_an_invitation_sets_password_and_app_once(staff, bus):
    account, invitation = await staff.invited()
    assert (account.state, account.name in account.id) == ("invited", False)
    await refused(staff)
    active = await staff.sign_in.activate(
        Activation("an", invitation.upper(), PASSWORD, SECRET, staff.code()), default_policy()
    )
    assert active.id == account.id and active.is_active
    values = [one async for _, one in bus.bucket("staff").values()]
    values += [one async for _, one in bus.bucket("sessions").values()]
    stored = "".join(value.data.decode() for value in values)
    for secret in (PASSWORD, text_secret(SECRET), invitation, SECRET.hex()):
        assert secret not in stored
    again = Activation("an", invitation, "gió lùa qua kẽ lá", SECRET, staff.code(1))
    with pytest.raises(Unauthorized):
        await staff.sign_in.activate(again, default_policy())
    staff.clock.advance(30)
    assert (await staff.attempt()).id == account.id


async def test_an_app_of_another_key_file_is_refused_like_a_wrong_code(staff):
    await staff.active()
    other = SignIn(staff.accounts, KeyFile(b"x" * 32).derive, staff.sign_in.passwords)
    step = totp.current_step(staff.clock())
    for code in (staff.code(), totp.one_time_code(bytes(20), step), ""):
        with pytest.raises(Unauthorized) as told:
            await other.sign_in(Attempt("an", PASSWORD, code))
        assert told.value.errors[0].field == "login"
    assert (await staff.attempt()).login == "an", "the right key file opens it still"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"invitation": "x" * 32}, Unauthorized),
        ({"login": "ai-do"}, Unauthorized),
        ({"password": "ngắn"}, Invalid),
        ({"code": "000000"}, Invalid),
        ({"totp": None}, Invalid),
    ],
)
async def test_an_activation_that_lacks_something_changes_nothing(staff, changes, kind):
    account, invitation = await staff.invited()
    given = {"login": "an", "invitation": invitation, "password": PASSWORD, "totp": SECRET}
    with pytest.raises(kind):
        await staff.sign_in.activate(
            Activation(**given | {"code": staff.code()} | changes), default_policy()
        )
    assert await staff.accounts.find(account.id) == account


async def test_an_invitation_ends_after_72_hours(staff):
    _, invitation = await staff.invited()
    staff.clock.advance(72 * 3600)
    with pytest.raises(Unauthorized):
        await staff.sign_in.activate(
            Activation("an", invitation, PASSWORD, SECRET, staff.code()), default_policy()
        )


async def refused(staff: StaffHarness, **changes: str) -> str:
    with pytest.raises(Unauthorized) as wrong:
        await staff.attempt(**changes)
    return str(wrong.value)


async def test_wrong_password_code_and_account_get_the_same_answer_for_the_same_work(staff):
    await staff.active()
    await staff.active("binh")
    await staff.accounts.set_state((await staff.accounts.require("binh")).id, "disabled")
    answers, costs = set(), set()
    for wrong in (
        {"login": "ai-do"},
        {"login": "Không phải tên"},
        {"login": "binh"},
        {"password": "sai"},
        {"code": "000000"},
    ):
        before = staff.hasher.verified
        answers.add(await refused(staff, **wrong))
        costs.add(staff.hasher.verified - before)
    assert (len(answers), costs) == (1, {1})


async def test_a_code_works_once_also_for_two_at_the_same_time(staff):
    await staff.active()
    one, two = await asyncio.gather(staff.attempt(), staff.attempt(), return_exceptions=True)
    assert {type(one).__name__, type(two).__name__} == {"Account", "Unauthorized"}
    await refused(staff)
    staff.clock.advance(30)
    await staff.attempt()


async def test_a_code_is_taken_one_step_early_or_late(staff):
    await staff.active()
    await refused(staff, code=staff.code(2))
    await staff.attempt(code=staff.code(1))


async def failures(staff: StaffHarness, count: int, **changes: str) -> None:
    """Fail so often, as fast as the throttle lets it."""
    for _ in range(count):
        try:
            await staff.attempt(**{"password": "sai"} | changes)
        except Unauthorized:
            pass
        except RateLimited as limited:
            staff.clock.advance(limited.retry_after_s)


async def test_five_failures_slow_down_and_the_right_password_still_gets_in_after_the_wait(staff):
    await staff.active()
    for _ in range(5):
        await refused(staff, password="sai")
    with pytest.raises(RateLimited) as limited:
        await staff.attempt()
    assert 0 < limited.value.retry_after_s <= 2
    staff.clock.advance(2)
    await staff.attempt()
    await refused(staff, password="sai")


async def test_however_often_it_fails_the_wait_ends(staff):
    await staff.active()
    await failures(staff, 60)
    staff.clock.advance(throttle._LONGEST_WAIT_S)
    await staff.attempt()


async def test_attempts_at_the_same_time_do_not_share_a_count(staff):
    await staff.active()
    tries = (staff.attempt(password="sai") for _ in range(20))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(one).__name__ for one in done].count("Unauthorized") == 5


async def test_a_strangers_failures_do_not_keep_the_holder_out(staff):
    await staff.active()
    await staff.attempt(network="10.1.2.3")
    staff.clock.advance(30)
    await failures(staff, 31, network="203.0.113.9")
    with pytest.raises(RateLimited):
        await staff.attempt(network="203.0.113.200")
    await staff.attempt(network="10.1.2.77")


async def test_failures_of_others_in_a_network_do_not_keep_out_who_signed_in_there(staff):
    await staff.active()
    await staff.attempt(network="10.1.2.3")
    staff.clock.advance(30)
    for number in range(20):
        await refused(staff, login=f"ten-{number}", network="10.1.2.9")
    with pytest.raises(RateLimited):
        await staff.attempt(login="ten-khac", network="10.1.2.3")
    await staff.attempt(network="10.1.2.3")


async def test_a_network_that_tries_many_names_is_slowed_down(staff):
    for number in range(20):
        await refused(staff, login=f"ten-{number}", network="203.0.113.9")
    with pytest.raises(RateLimited):
        await staff.attempt(login="ten-khac", network="203.0.113.10")
    await refused(staff, login="ten-khac", network="198.51.100.1")


async def test_what_is_refused_for_its_network_slows_no_account_down(staff):
    await staff.active()
    for number in range(20):
        await refused(staff, login=f"ten-{number}", network="203.0.113.9")
    for _ in range(30):
        with pytest.raises(RateLimited):
            await staff.attempt(password="sai", network="203.0.113.9")
    await staff.attempt(network="198.51.100.1")


def test_guessing_codes_for_a_day_is_hopeless():
    """With the right password: the free attempts, then one for each longest wait."""
    attempts = 5 + sum(1 for _ in range(24 * 3600 // wait_s(99)))
    assert attempts * 3 / 10**6 < 0.01
    assert [wait_s(n) for n in (0, 1, 2, 6, 7, 10**6)] == [2, 4, 8, 120, 120, 120]


def test_neighbours_are_one_network():
    assert network_of("203.0.113.9") == network_of("203.0.113.200") == "203.0.113.0/24"
    assert network_of("2001:db8:1:2::3") == network_of("2001:db8:1:ffff::1") == "2001:db8:1::/48"
    assert network_of("terminal") == "terminal"


async def test_names_are_taken_once_also_by_two_at_the_same_time(staff):
    wanted = NewAccount(login="an", name="Lê Tám", unit="u", grants=())
    tries = (staff.accounts.add(wanted, "x") for _ in range(2))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, Conflict) for one in done) == 1
    with pytest.raises(Conflict):
        await staff.accounts.add(wanted, "x")
    assert len(await staff.accounts.all()) == 1
    for login, name in (("Tên Dài", "x"), ("a.b", "x"), ("b", " "), ("b", "x\ny")):
        with pytest.raises(Invalid):
            await staff.accounts.add(wanted.model_copy(update={"login": login, "name": name}), "x")


async def test_a_name_that_is_taken_before_its_account_is_written_goes_to_one(staff, monkeypatch):
    wanted = NewAccount(login="an", name="Lê Tám", unit="u", grants=())
    claimed, go_on = asyncio.Event(), asyncio.Event()
    create = staff.accounts.bucket.create

    async def pausing(key: str, data: bytes, **options: float) -> int:
        if key.startswith("account.") and not claimed.is_set():
            claimed.set()
            await go_on.wait()
        return await create(key, data, **options)

    monkeypatch.setattr(staff.accounts.bucket, "create", pausing)
    slow = asyncio.create_task(staff.accounts.add(wanted, "x"))
    await claimed.wait()
    await staff.accounts.add(wanted, "x")
    go_on.set()
    with pytest.raises(Conflict):
        await slow
    assert len(await staff.accounts.all()) == 1


async def test_a_name_whose_account_was_never_written_is_free(staff, bus):
    await bus.bucket("staff").put("login.an", b"nv-never-written")
    await staff.invited("an")
    assert await staff.accounts.find_by_login("an")


async def test_a_reset_takes_password_and_app_away(staff):
    account = await staff.active()
    invitation = await staff.accounts.reset(account.id)
    await refused(staff)
    await staff.sign_in.activate(
        Activation("an", invitation, "gió lùa qua kẽ lá", SECRET, staff.code()), default_policy()
    )
    staff.clock.advance(30)
    await refused(staff)
    staff.clock.advance(30)
    assert (await staff.attempt(password="gió lùa qua kẽ lá")).id == account.id


async def test_a_reset_does_not_enable_a_disabled_account(staff):
    account = await staff.active()
    await staff.accounts.set_state(account.id, "disabled")
    invitation = await staff.accounts.reset(account.id)
    with pytest.raises(Unauthorized):
        await staff.sign_in.activate(
            Activation("an", invitation, PASSWORD, SECRET, staff.code()), default_policy()
        )
    assert (await staff.accounts.set_state(account.id, "active")).state == "invited"


async def test_an_account_without_app_needs_a_long_password_and_no_code(staff):
    _, invitation = await staff.invited("an", "nguoi-gui-tin")
    short, long = "mười ba chữ x", "mười bốn chữ xx"
    with pytest.raises(Invalid):
        await staff.sign_in.activate(Activation("an", invitation, short), default_policy())
    account = await staff.sign_in.activate(Activation("an", invitation, long), default_policy())
    assert (await staff.sign_in.sign_in(Attempt("an", long))).id == account.id
    with pytest.raises(Unauthorized):
        await staff.sign_in.step_up(account, "")


async def test_a_step_up_takes_a_fresh_code(staff):
    await staff.active()
    await staff.attempt()
    with pytest.raises(Unauthorized):
        await staff.sign_in.step_up(await staff.accounts.require("an"), staff.code())
    staff.clock.advance(30)
    account = await staff.accounts.require("an")
    await staff.sign_in.step_up(account, staff.code())
    with pytest.raises(Unauthorized):
        await staff.sign_in.step_up(await staff.accounts.require("an"), staff.code())


def test_a_secret_is_bound_to_its_account_and_key():
    secrets = TotpSecrets(b"k" * 32)
    stored = secrets.encrypt("nv-a", SECRET)
    assert secrets.decrypt("nv-a", stored) == SECRET
    assert stored != secrets.encrypt("nv-a", SECRET)
    for other, account in ((secrets, "nv-b"), (TotpSecrets(b"x" * 32), "nv-a")):
        with pytest.raises(KeyFileBroken):
            other.decrypt(account, stored)


async def test_roles_change_by_grants_alone(staff):
    account = await staff.active()
    changed = await staff.accounts.set_grants(account.id, (Grant(role="bien-tap-vien"),))
    assert changed.generation == account.generation + 1
    assert (await staff.accounts.set_grants(account.id, changed.grants)) == changed
