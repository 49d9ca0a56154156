"""People of the desk: their accounts, and a session for each browser."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from bench import archive, loa, processes
from bench.server import Server
from consumers.key_file import KeyFile
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.passwords import Passwords
from consumers.staff.policy import Grant, default_policy
from consumers.staff.sessions import SessionStore
from consumers.staff.sign_in import SignIn
from consumers.staff.totp import current_step, one_time_code
from contracts.staff.sign_in import Activation
from producers.bus import Bus
from producers.desk.web_session import SessionCookie

T = TypeVar("T")
MB = 1 << 20
_PASSWORD, _SECRET = "mưa rơi trên mái ngói", b"12345678901234567890"


class SignedIn(NamedTuple):
    """A browser with a session of a person in one role."""

    role: str
    token: str


def sign_in(server: Server, roles: Sequence[str], count: int) -> list[SignedIn]:
    """Sessions for *count* browsers. An account for each of *roles* has them by turns."""

    async def work(own: Bus, keys: KeyFile) -> list[SignedIn]:
        accounts = AccountStore(own, time.time)
        sessions = SessionStore(own, accounts, time.time)
        known = zip(cycle(roles), cycle(await _activated(accounts, keys, roles)), strict=False)
        return [
            SignedIn(role, await sessions.start(account, network="127.0.0.1"))
            for role, account in islice(known, count)
        ]

    return asyncio.run(on_bus(server.folder, server.nats_url, work))


async def _activated(accounts: AccountStore, keys: KeyFile, roles: Sequence[str]) -> list[Account]:
    """An account of its own for each of *roles*."""
    passwords, found = Passwords(), []
    door = SignIn(accounts, keys.derive, passwords)
    for number, role in enumerate(roles):
        login, grants = f"nv-{number}", (Grant(role=role),)
        wanted = NewAccount(login=login, name=login, unit=archive.UNIT, grants=grants)
        _, invitation = await accounts.add(wanted, by="bench")
        code = one_time_code(_SECRET, current_step(time.time()))
        facts = Activation(login, invitation, _PASSWORD, _SECRET, code)
        found.append(await door.activate(facts, default_policy()))
    passwords.close()
    return found


async def sign_out(own: Bus, people: Sequence[SignedIn]) -> None:
    sessions = SessionStore(own, AccountStore(own, time.time), time.time)
    for one in people:
        await sessions.end(one.token)


async def on_bus(folder: Path, url: str, work: Callable[[Bus, KeyFile], Awaitable[T]]) -> T:
    """Do something on the bus of a Loa, under its key."""
    async with await Bus.connect(url, name="bench") as own:
        await loa.use_key(own, folder)
        return await work(own, KeyFile.open(folder / "vault.key"))


def cookie(one: SignedIn) -> dict[str, str]:
    return {SessionCookie(is_https=False).name: one.token}


def desk_url(folder: Path) -> str:
    lines = (folder / "loa.log").read_text().splitlines()
    said = [json.loads(one) for one in lines if one.startswith("{")]
    [url] = [str(one["url"]) for one in said if one.get("event") == "desk_ready"]
    return url


def usage(server: Server) -> processes.Usage:
    """CPU of Loa's process so far, and its memory of this moment."""
    processes.forget_peak(server.pid)
    own, _ = processes.used(server.pid)
    return own
