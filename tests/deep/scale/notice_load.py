"""Case notices under load: a flood of them within a rate, and some of them beside a bulk delivery.

    python -m tests.deep.scale.notice_load flood --events 100000 --per-s 100 --day 90000
    python -m tests.deep.scale.notice_load bulk --readers 100000

`flood`: nothing is called faster than the rate, memory stays flat, and the day's quota ends it
before Zalo does. `bulk`: how long a notice waits, from 202 to the first attempt, while all readers
get a mail. Numbers are printed; only what must never happen ends it with exit code 1.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Semaphore
from typing import Any

from channels.zalo.client.oauth_api import TokenPair
from consumers.app.wiring import zalo
from consumers.key_file import KeyFile
from contracts import keys
from contracts.records import notice_key
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from producers.bus import Bus
from sandbox.zalo.state.templates import shipped_routes
from tests.deep.crash.environment import start_receiver
from tests.deep.crash.receiver import ReceivedMail, read_record
from tests.deep.crash.setup import register_unit, sandbox_account
from tests.support.loa_process import LoaProcess, sandbox_call, wait_until
from tests.support.seals import use_key

UNITS = [unit for unit, known in DEFAULT.units.items() if not known.until]
PACK, AT_ONCE = 20, Semaphore(4)
"""How the units send: so many events to a request, so many requests at once."""
BATCH = "application/cloudevents-batch+json"
SECOND_S, CLOCK_S = 10, 0.1
"""The rate is looked at in spans of so many seconds; a call is noted a moment after its turn."""


class Load:
    """A Loa of its own with a relay and a Zalo that note when something really reached them."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder = folder
        self.relay, port = start_receiver("receiver", folder / "mails")
        self.zalo, self.zalo_url = start_receiver("zalo", folder / "zalo")
        hosts = {f"ZALO_{api}_URL": self.zalo_url for api in ("OPENAPI", "BUSINESS", "OAUTH")}
        self.loa = LoaProcess(
            folder, **hosts, EMAIL_HOST="127.0.0.1", EMAIL_PORT=port, EMAIL_TLS="none",
            EMAIL_FROM="Bộ Nội vụ <thong-bao@loa.example>",
            ZALO_APP_ID="sandbox-app", ZALO_APP_SECRET="sandbox-app-secret", **settings,
        )  # fmt: skip
        self.keys: dict[str, str] = {}

    async def prepare(self) -> None:
        """The grant, a template for every kind, and every unit of the ministry."""
        sandbox_call(self.zalo_url, "balance", {"balance": 10**12})
        sandbox_call(self.zalo_url, "rules", {"daily_quota": 10**6, "per_minute": 10**6})
        pair = sandbox_call(self.zalo_url, "grant", {})
        account = sandbox_account(self.zalo_url)
        async with await Bus.connect(self.loa.ready().nats_url, name="load") as bus:
            key_file = KeyFile.open(self.loa.data / "vault.key")
            stores = zalo.zalo_stores(bus, key_file, account.app_id)
            granted = TokenPair(pair["access_token"], pair["refresh_token"], 90_000.0)
            await zalo.store_token_pair(account, stores, granted)
            await zalo.register_missing_templates(account, stores, shipped_routes())
            await use_key(bus, self.loa.data)
            for unit in UNITS:
                self.keys[unit] = await register_unit(bus, unit, "automatic")

    def sent(self) -> Iterator[dict[str, Any]]:
        """The template messages, as Zalo has noted them."""
        with (self.folder / "zalo" / "effects.jsonl").open() as lines:
            for line in lines:
                if '"template_sent"' in line:
                    yield json.loads(line)

    def mails(self) -> list[ReceivedMail]:
        return read_record(self.folder / "mails")

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self.loa.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def close(self) -> None:
        for process in (self.relay, self.zalo):
            process.kill()
            process.wait()


@contextmanager
def running(**settings: object) -> Iterator[Load]:
    with tempfile.TemporaryDirectory(prefix="loa-load-") as place:
        load = Load(Path(place), **settings)
        try:
            with load.loa:
                asyncio.run(load.prepare())
                yield load
        finally:
            load.close()


def case_event(unit: str, number: int, **contact: str) -> dict[str, Any]:
    """The only step of a dossier."""
    where = contact or {"phone": f"849{number:08d}"}
    code = f"G09.20-20260609-{number:07d}"
    event = sample("updated", case_code=code, contact={**where, "consent": True})
    return event | {"id": f"{code}/2", "source": f"/units/{unit}"}


# --- a flood


def flood(events: int, per_s: float, day: int) -> list[str]:
    """Errors of the flood."""
    settings = {"ZALO_NOTICES_PER_S": per_s, "ZALO_NOTICES_PER_DAY": day, "ZALO_CONNECTIONS": 16}
    with running(**settings) as load:
        began = time.time()
        memory: list[float] = []
        with ThreadPoolExecutor(len(UNITS)) as pool:
            posting = [pool.submit(post_all, load, unit, events) for unit in UNITS]
            wait_until_sent(load, min(events, day), memory)
            accepted = sum(one.result() for one in posting)
        sent = list(load.sent())
        took_s = max(one["real"] for one in sent) - min(one["real"] for one in sent)
        tell("accepted", accepted, f"in {time.time() - began:.0f} s")
        tell("sent", len(sent), f"in {took_s:.0f} s: {len(sent) / took_s:.1f}/s at {per_s:g}/s")
        tell("memory", f"{memory[0]:.0f} MB", f"at first, {max(memory):.0f} MB at most")
        return [*too_fast(sent, per_s), *too_many(load, sent, events, day)]


def post_all(load: Load, unit: str, events: int) -> int:
    """One unit's share, in batches, as fast as its door lets it."""
    mine = range(UNITS.index(unit), events, len(UNITS))
    for start in range(0, len(mine), PACK):
        body = [case_event(unit, number) for number in mine[start : start + PACK]]
        with AT_ONCE:
            post(load, load.keys[unit], body, BATCH)
    return len(mine)


def post(load: Load, key: str, body: Any, content_type: str) -> None:
    """Until it is accepted."""
    said = {"Content-Type": content_type, "Authorization": f"Bearer {key}"}
    while (answer := load.loa.request("/v1/events", json.dumps(body).encode(), said)).status != 202:
        assert answer.status in (429, 503), answer
        time.sleep(2)


def wait_until_sent(load: Load, wanted: int, memory: list[float]) -> None:
    """Until so many are sent."""

    def done() -> bool:
        memory.append(load.memory_mb())
        return sum(1 for _ in load.sent()) >= wanted

    wait_until(done, f"{wanted} notices", patience_s=3600.0, pause_s=5.0)


def too_fast(sent: Sequence[dict[str, Any]], per_s: float) -> Iterator[str]:
    """More calls in a span than rate and burst allow."""
    times = sorted(one["real"] for one in sent)
    allowed = per_s * (SECOND_S + CLOCK_S) + 2 * per_s  # what may leave at once after a pause
    first = 0
    for number, at in enumerate(times):
        while times[first] < at - SECOND_S:
            first += 1
        if number - first + 1 > allowed:
            yield f"{number - first + 1} calls in {SECOND_S} s"
            return


def too_many(load: Load, sent: Sequence[dict[str, Any]], events: int, day: int) -> Iterator[str]:
    """More messages than the quota, one twice, or a refusal by Zalo."""
    tracked = {one["message"]["tracking_id"] for one in sent}
    if len(tracked) != len(sent):
        yield f"{len(sent) - len(tracked)} messages twice"
    if len(sent) != min(events, day):
        yield f"{len(sent)} sent of {min(events, day)}"
    refused = [code for code in ("-144", "-147", "-115", "-32") if f"zalo {code}" in load.loa.log()]
    if refused:
        yield f"Zalo had to say {refused}"


# --- beside a bulk delivery


def bulk(readers: int) -> list[str]:
    """All readers get a mail; every quarter of a second a dossier moves on."""
    with running(ZALO_NOTICES_PER_S=100) as load:
        load.loa.key = load.keys[UNITS[0]]
        load.loa.readers(readers)
        item = sample("submitted", lane="bulk", channels=["email"])
        item |= {"id": "bulk", "source": f"/units/{UNITS[0]}"}
        post(load, load.loa.key, item, "application/cloudevents+json")
        wait_until(lambda: len(load.mails()) > 100, "the first mails")
        told = measure_latencies(load, readers)
        mails = {mail.address: mail.began for mail in load.mails()}
        calls = {one["message"]["tracking_id"]: one["real"] for one in load.sent()}
        waits = {name: [first[key] - at for key, at in told[name]] for name, first in
                 (("email", mails), ("zalo", calls))}  # fmt: skip
        for name, found in waits.items():
            tell(f"{name}: 202 to first attempt", f"n = {len(found)}", latency_summary(found))
        times = sorted(at for address, at in mails.items() if address.startswith("nguoi"))
        tell("bulk", f"{readers} mails", f"{readers / (times[-1] - times[0]):.0f}/s meanwhile")
        return [] if all(waits.values()) else ["no notice was sent beside the bulk delivery"]


def measure_latencies(load: Load, readers: int) -> dict[str, list[tuple[str, float]]]:
    """Marks to look for, and their times of acceptance, for as long as the bulk delivery runs."""
    told: dict[str, list[tuple[str, float]]] = {"email": [], "zalo": []}
    number = 0
    while len(load.mails()) < readers:
        number += 1
        address = f"ho-so-{number}@example.com"
        for name, contact in (("email", {"email": address}), ("zalo", {})):
            event = case_event(UNITS[1], 2 * number + (name == "zalo"), **contact)
            post(load, load.keys[UNITS[1]], event, "application/cloudevents+json")
            key = address if name == "email" else tracking_id(event)
            told[name].append((key, time.time()))
        time.sleep(0.25)
    wanted = len(told["zalo"])
    wait_until(lambda: sum(1 for _ in load.sent()) >= wanted, "the last notice")
    return told


def tracking_id(event: dict[str, Any]) -> str:
    """Of the only step of a dossier."""
    unit = event["source"].removeprefix("/units/")
    named = keys.event_id(unit, event["source"], event["id"])
    return notice_key(keys.case_content_id(event["data"]["case_code"]), 1, named)


def latency_summary(found: Sequence[float]) -> str:
    """In milliseconds."""
    cuts = statistics.quantiles(found, n=100)
    return ", ".join(
        f"{name} {1000 * value:.0f} ms"
        for name, value in (("p50", cuts[49]), ("p95", cuts[94]), ("most", max(found)))
    )


def tell(*words: object) -> None:
    sys.stdout.write("  ".join(map(str, words)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    flooding = commands.add_parser("flood")
    flooding.add_argument("--events", type=int, default=100_000)
    flooding.add_argument("--per-s", type=float, default=100.0)
    flooding.add_argument("--day", type=int, default=90_000)
    commands.add_parser("bulk").add_argument("--readers", type=int, default=100_000)
    options = vars(parser.parse_args())
    wrong = {"flood": flood, "bulk": bulk}[options.pop("command")](**options)
    sys.exit("\n".join(wrong) or 0)
