"""An editorial log as years at the desk leave it, written while Loa does not run.

A running Loa acknowledges an act once its disk has it, and carries each out: hours for an archive.
Here the nats-server runs alone and syncs seldom; acts and chains of hashes are as Loa writes them.
"""

import asyncio
import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

from bench.bus import addresses
from bench.letter import TOPICS, UNIT
from bench.server import Server
from consumers.key_file import KeyFile
from contracts import events, subjects
from contracts.editorial import Action, ActionKind, EditorialText
from contracts.editorial.action import RULE, UNIT_SYSTEM
from producers.bus import Bus
from producers.nats_server import find_binary
from producers.seals import publish_sealed

BETWEEN = timedelta(hours=1)
"""With 24 items a day, 50,000 are six years, and a month of the calendar has 360."""
OPEN_SHARE = 50
"""One of so many items waits for people: every second one of the newest; all others are out."""
CAMPAIGNS, ITEMS_OF_EACH = 40, 30
"""Of the oldest items, each campaign has the first of its items as its own."""
AT_ONCE = 256
_SYNC = "sync_interval: always"
K = ActionKind
_PUBLISHED = (K.RECEIVE, K.APPROVE, K.PUBLISH)
_AT_DESK = (K.SAVE, K.SUBMIT, K.CONFIRM, K.PROPOSE)
_ACTORS = {K.RECEIVE: (UNIT, UNIT_SYSTEM), K.PUBLISH: ("loa", RULE)}
WORDS = tuple("thông báo tuyển dụng công chức cải cách hành chính hồ sơ".split())  # noqa: SIM905


@contextmanager
def without_sync(server: Server) -> Iterator[str]:
    """Run the nats-server of a Loa that has ended, without a sync for each message; its address."""
    store = server.folder / "nats"
    settings = store / "bench.conf"
    settings.write_text((store / "nats.conf").read_text().replace(_SYNC, ""))
    process = subprocess.Popen([find_binary(), "-c", settings])
    try:
        found = urlsplit(addresses(process, store / "run")["nats"])
        known = urlsplit(server.nats_url)
        yield f"nats://{known.username}:{known.password}@{found.hostname}:{found.port}"
    finally:
        process.terminate()
        process.wait()
        os.sync()


async def fill(own: Bus, _: KeyFile, *, count: int) -> None:
    """Write *count* items, the newest now and last. Intake and staff mail go on behind them."""
    limit, now = asyncio.Semaphore(AT_ONCE), datetime.now(UTC)

    async def one(number: int) -> None:
        async with limit:
            for act in acts(number, count, now - BETWEEN * (count - number)):
                subject, name = subjects.editorial(item(number)), f"{item(number)}.{act.id}"
                await publish_sealed(own, subject, act.encode(), name)

    await asyncio.gather(*map(one, range(count - 1)))
    await one(count - 1)
    await carry_out_nothing(own)


async def carry_out_nothing(own: Bus) -> None:
    """Let intake and staff mail begin behind the log, as if they had carried it out in its time."""
    stream, durable = subjects.EDITORIAL.name, subjects.EDITORIAL.consumers[0].durable
    last = (await own.stream_info(stream))["state"]["last_seq"]
    config = (await own.consumer_info(stream, durable))["config"]
    config |= {"deliver_policy": "by_start_sequence", "opt_start_seq": last + 1}
    await own.connection.api_request(f"CONSUMER.DELETE.{stream}.{durable}")
    query = {"stream_name": stream, "config": config, "action": "create"}
    await own.connection.api_request(f"CONSUMER.CREATE.{stream}.{durable}", query)
    mail = f"KV_{subjects.STAFF_MAIL.name}"
    if cursor := await own.last_message(mail, f"$KV.{subjects.STAFF_MAIL.name}.cursor"):
        await own.erase_message(mail, cursor.seq)


def item(number: int) -> str:
    return f"tin-{number}"


def acts(number: int, count: int, began: datetime) -> Iterator[Action]:
    """The acts on an item: received, approved and out; of the newest as far as people came."""
    pair, is_second = divmod(number, 2)
    is_open = is_second and number >= count - 2 * count // OPEN_SHARE
    steps = _AT_DESK[: 1 + pair % len(_AT_DESK)] if is_open else _PUBLISHED
    text, prev = a_text(number), ""
    for place, kind in enumerate(steps):
        by, role = _ACTORS.get(kind, (f"nv-{kind}", ""))
        act = Action(
            id=f"bench.{number}.{kind}", at=began + timedelta(minutes=place), by=by, role=role,
            kind=kind, revision=1, hash=text.hash, text=None if place else text, prev=prev,
        )  # fmt: skip
        prev = sha256(act.encode()).hexdigest()
        yield act


def a_text(number: int) -> EditorialText:
    chance = random.Random(number)
    data = {
        "content_id": item(number),
        "revision": 1,
        "title": " ".join(chance.choices(WORDS, k=12)),
        "summary": " ".join(chance.choices(WORDS, k=25)),
        "body": "\n\n".join(" ".join(chance.choices(WORDS, k=80)) for _ in range(4)),
        "topic": chance.choice(TOPICS),
        "channels": ["portal", "email"],
        **campaign_of(number),
    }
    return EditorialText(unit=UNIT, type=events.SUBMITTED, data=data)


def campaign_of(number: int) -> dict[str, Any]:
    """The fields by which an item joins a campaign, or is one."""
    campaign, place = divmod(number, ITEMS_OF_EACH)
    if campaign >= CAMPAIGNS:
        return {}
    fields: dict[str, Any] = {"campaign": item(campaign * ITEMS_OF_EACH)}
    if place:
        return fields | {"campaign_entry": place}
    days = {"first_day": "2020-01-01", "last_day": "2020-12-31"}
    planned = range(1, ITEMS_OF_EACH)
    entries = [{"number": one, "title": f"Tin {one}", "day": "2020-06-30"} for one in planned]
    return fields | {"campaign_plan": {"purpose": "Giải thích.", **days, "entries": entries}}
