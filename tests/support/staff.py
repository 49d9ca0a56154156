"""Accounts of staff for tests: cheap hashes, a clock that tests move, and codes as an app shows."""

from dataclasses import dataclass, field
from typing import Any

from argon2 import PasswordHasher

from consumers.key_file import KeyFile
from consumers.staff import totp
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.passwords import Passwords
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sessions import SessionStore
from consumers.staff.sign_in import SignIn
from contracts.staff.sign_in import Activation, Attempt
from producers.bus import Bus
from tests.support.clock import FakeClock

PASSWORD = "mưa rơi trên mái ngói"
SECRET = b"12345678901234567890"
KEYS = KeyFile(b"k" * 32)


class CountedHasher(PasswordHasher):
    """Counts how often it verifies."""

    verified = 0

    def verify(self, hash, password):
        self.verified += 1
        return super().verify(hash, password)


def cheap_hasher() -> CountedHasher:
    return CountedHasher(time_cost=1, memory_cost=8, parallelism=1)


@dataclass
class StaffHarness:
    """Accounts, sign-in and sessions on a bus."""

    bus: Bus
    clock: FakeClock
    names: dict[str, str] = field(default_factory=dict)
    """The names of people who are told apart, by sign-in name."""
    unit: str = "van-phong-bo"
    """The unit of everyone who is invited."""

    def __post_init__(self) -> None:
        self.hasher = cheap_hasher()
        self.accounts = AccountStore(self.bus, self.clock)
        self.sign_in = SignIn(self.accounts, KEYS.derive, Passwords(self.hasher))
        self.sessions = SessionStore(self.bus, self.accounts, self.clock)

    def code(self, steps: int = 0) -> str:
        """The code that the authenticator app shows now, or some steps later."""
        return totp.one_time_code(SECRET, totp.current_step(self.clock()) + steps)

    async def invited(self, login: str = "an", *roles: str) -> tuple[Account, str]:
        grants = tuple(Grant(role=role) for role in roles or ("lanh-dao-duyet",))
        wanted = NewAccount(
            login=login,
            name=self.names.get(login, "Lê Văn Tám"),
            unit=self.unit,
            grants=grants,
        )
        return await self.accounts.add(wanted, by="test")

    async def active(self, login: str = "an", *roles: str) -> Account:
        """An account with password and authenticator app, which has shown its next code unused."""
        _, invitation = await self.invited(login, *roles)
        account = await self.sign_in.activate(
            Activation(login, invitation, PASSWORD, SECRET, self.code()), default_policy()
        )
        self.clock.advance(30)
        return account

    async def attempt(self, login: str = "an", **changes: Any) -> Account:
        given = {"password": PASSWORD, "code": self.code()} | changes
        return await self.sign_in.sign_in(Attempt(login, **given))
