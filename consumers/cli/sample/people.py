"""The accounts of the sample ministry, all with one password for the user of this machine."""

import secrets
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from consumers.staff import totp
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.passwords import Passwords
from consumers.staff.policy import Grant, Policy
from consumers.staff.sign_in import SignIn
from contracts.staff.sign_in import Activation

_FILE = Path(__file__).with_name("people.toml")
_BY = "loa demo"
_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP_LENGTH = 4, 4


class Credentials(NamedTuple):
    """Credentials of all accounts of one sample: password, and secret of the one-time codes."""

    password: str
    secret: bytes

    @classmethod
    def new(cls) -> "Credentials":
        groups = (
            "".join(secrets.choice(_LETTERS) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
        )
        return cls("-".join(groups), totp.new_secret())


class SamplePeople:
    """Adds the accounts. *derive* returns the key of a purpose."""

    def __init__(
        self, accounts: AccountStore, derive: Callable[[str], bytes], policy: Policy
    ) -> None:
        self.accounts, self.policy = accounts, policy
        self.passwords = Passwords()
        self.door = SignIn(accounts, derive, self.passwords)

    async def add_all(self, units: Sequence[str], credentials: Credentials) -> dict[str, Account]:
        """Add every account, ready to be used; returns them by their sign-in names."""
        try:
            return {one.login: await self._add(one, credentials) for one in read_people(units)}
        finally:
            self.passwords.close()

    async def _add(self, wanted: NewAccount, credentials: Credentials) -> Account:
        _, invitation = await self.accounts.add(wanted, _BY)
        facts = Activation(wanted.login, invitation, credentials.password)
        if self.policy.needs_second_factor(wanted.grants):
            before = totp.current_step(self.accounts.clock()) - 1  # the present code stays unused
            code = totp.one_time_code(credentials.secret, before)
            facts = Activation(
                wanted.login, invitation, credentials.password, credentials.secret, code
            )
        return await self.door.activate(facts, self.policy)


def read_people(units: Sequence[str]) -> list[NewAccount]:
    """The accounts; roles of a unit are for all of *units*."""
    people = tomllib.loads(_FILE.read_text("utf-8"))["people"]
    return [_account(one, tuple(units)) for one in people]


def _account(one: dict[str, str], units: tuple[str, ...]) -> NewAccount:
    scope = units if one.get("all_units") else ()
    grants = (Grant(role=one["role"], units=scope),)
    return NewAccount(login=one["login"], name=one["name"], unit=one["unit"], grants=grants)
