"""Writes of the desk's pages beside acts, on the bus of a running Loa.

A text that a person typed and did not save is kept; a session gets another token. What an earlier
run left after a kill disturbs no later one.
"""

import asyncio
import os
import time
from pathlib import Path

from consumers.app.settings import RunningInstance
from consumers.desk.kept_texts import KeptTexts
from consumers.staff.accounts import AccountStore
from consumers.staff.sessions import Session, SessionStore
from contracts.base.times import utc_now
from producers.bus import Bus
from tests.deep.crash.two_people import LOGINS, an_account
from tests.support.seals import use_key

_ITEM = "tin-giu-tam"


def main(number: str) -> None:
    asyncio.run(_write(Path(os.environ["LOA_DATA_DIR"]), number))


async def _write(data: Path, number: str) -> None:
    running = RunningInstance.model_validate_json((data / "run" / "ready.json").read_bytes())
    async with await Bus.connect(running.nats_url) as bus:
        await use_key(bus, data)
        await _keep_text(KeptTexts(bus), number)
        await _renew_session(AccountStore(bus, time.time))


async def _keep_text(texts: KeptTexts, number: str) -> None:
    await texts.keep("nv-nguoi-soan", _ITEM, {"hash": ["x"], "body": [number]})
    found = await texts.find("nv-nguoi-soan", _ITEM)
    if found is None or found.fields["body"] != [number]:
        raise SystemExit(f"kept text: {found}")


async def _renew_session(accounts: AccountStore) -> None:
    account = await an_account(accounts, LOGINS[0])
    sessions, now = SessionStore(accounts.bus, accounts, time.time), utc_now(time.time)
    begun = Session(account=account.id, generation=account.generation, started=now, used=now)
    token = await sessions.reopen(account, begun)
    fresh = await sessions.renew(token, stepped_up=True)
    if not (fresh and await sessions.find(fresh)) or await sessions.find(token):
        raise SystemExit("the renewed session does not live, or the one before does")
