"""The sample ministry of `make desk` on a Loa that runs: its items, and sessions of its people."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from yarl import URL

from consumers.cli.sample.items import read_campaign, read_items, read_sample_text
from consumers.cli.sample.ministry import fill
from consumers.editorial.log import EditorialLog
from consumers.staff.accounts import AccountStore
from consumers.staff.sessions import SessionStore
from contracts.base.times import utc_now
from producers.bus import Bus
from tests.support.loa_bus import bus_of, settings_of
from tests.support.loa_process import LoaProcess

ISSUE, CAMPAIGN = "issue", "campaign"
NO_RECEIVER = URL("http://127.0.0.1/loa")
"""Nothing listens there, and the guard of callbacks lets none through."""


@dataclass(frozen=True)
class SampleDesk:
    """The desk's address, the items by the name of their text, tokens and accounts by login."""

    url: str
    items: Mapping[str, str]
    tokens: Mapping[str, str]
    accounts: Mapping[str, str]


def fill_with_sample(loa: LoaProcess) -> SampleDesk:
    """Fill a new Loa with the sample, and sign everyone in."""
    return asyncio.run(_fill(loa))


async def _fill(loa: LoaProcess) -> SampleDesk:
    async with bus_of(loa) as bus:
        people = (await fill(bus, settings_of(loa), NO_RECEIVER)).people
        sessions = SessionStore(bus, AccountStore(bus, time.time), time.time)
        now = utc_now(time.time)
        tokens = {one.login: await sessions.start(one, second_factor=now) for one in people}
        accounts = {one.login: one.id for one in people}
        return SampleDesk(str(loa.ready().desk), await _items(bus), tokens, accounts)


async def _items(bus: Bus) -> dict[str, str]:
    """The ids of the items by the names of their texts; a corrected item has its newest one.

    The issue of a bulletin has the name `ISSUE`, the campaign `CAMPAIGN`.
    """
    states = (await EditorialLog(bus).audit(with_texts=True)).states
    named = {one.text.data["title"]: content_id for content_id, one in states.items() if one.text}
    names = {name for one in read_items() for name in (one.text, one.correction) if name}
    titles = {name: read_sample_text(name)["title"] for name in names}
    found = {name: named[title] for name, title in titles.items() if title in named}
    issues = (id for id, one in states.items() if one.text and "bulletin" in one.text.data)
    return {**found, ISSUE: next(issues), CAMPAIGN: read_campaign().name}
