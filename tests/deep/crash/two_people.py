"""An act for two on the bus of a running Loa: both agree, and it is done.

The accounts never signed in, so Loa does not count them as in use. A single agreement that is
enough is an error, also after a kill between the agreement and the act.
"""

import asyncio
import os
import time
from pathlib import Path

from consumers.app.settings import RunningInstance
from consumers.staff.accounts import Account, AccountStore, NewAccount
from consumers.staff.policy import Grant, ObjectFacts, Verdict, default_policy
from consumers.staff.proposals import Asked, Proposals
from contracts.errors import Conflict
from contracts.vocabulary import DEFAULT
from producers.bus import Bus, records
from producers.units.registry import UnitRegistry
from tests.support.seals import use_key

ACTION, ROLE = "manage-people", "quan-tri-tai-khoan"
LOGINS = ("nguoi-mot", "nguoi-hai")


def main(unit: str) -> None:
    """Register *unit* by two people; a unit that is registered already gets a new key."""
    asyncio.run(_register(Path(os.environ["LOA_DATA_DIR"]), unit))


async def _register(data: Path, unit: str) -> None:
    running = RunningInstance.model_validate_json((data / "run" / "ready.json").read_bytes())
    async with await Bus.connect(running.nats_url) as bus:
        await use_key(bus, data)
        accounts = AccountStore(bus, time.time)
        people = [await an_account(accounts, login) for login in LOGINS]
        proposals = Proposals(accounts, default_policy())
        for person, verdict in zip(people, (Verdict.NEEDS_SECOND, Verdict.ALLOWED), strict=True):
            asked = Asked(person, ACTION, ObjectFacts(), ["add", unit])
            ruling = await proposals.authorize(asked)
            if ruling.verdict is not verdict:
                raise SystemExit(f"{person.login}: {ruling.verdict}")
        registry = UnitRegistry(bus, DEFAULT, time.time)
        try:
            await registry.add(unit, release="desk")
        except Conflict:
            await registry.rotate(unit)


async def an_account(accounts: AccountStore, login: str) -> Account:
    """An account that may act and is not in use."""
    known = await accounts.find_by_login(login)
    if known is None:
        grants = (Grant(role=ROLE),)
        wanted = NewAccount(login=login, name=login, unit="van-phong-bo", grants=grants)
        known, _ = await accounts.add(wanted, by="test")

    def activate(stored: Account | None) -> Account:
        return records.require(stored).model_copy(update={"state": "active"})

    key = f"account.{known.id}"
    return (await records.update(accounts.bucket, key, Account, activate)).value
