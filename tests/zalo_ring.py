"""The ring in which two processes race for a token: real processes, one vault, one sandbox."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from channels.zalo.oauth import OAuth
from channels.zalo.sandbox import server
from channels.zalo.sandbox.faults import Fault, Kind
from channels.zalo.sandbox.server import Sandbox
from channels.zalo.sandbox.switches import Rules
from channels.zalo.tokens import PATIENCE_S, TokenKeeper
from channels.zalo.transport import AioTransport
from channels.zalo.vault import Grant, Seal
from consumers.vault import BusVault
from producers.bus import Bus
from tests.conftest import Clock
from tests.zalo_mishaps import ANSWERED, EITHER, KEPT, LOST, NONE, Mishap

ROUTE = "oauth.token"
ALARM = "error zalo_grant_lost"
READ_S, SHORT_S = 15.0, 0.5
DAY_S = 86400.0
TURNS = 8


class Process:
    """One racer, started anew after each death."""

    def __init__(self, place: dict[str, str]) -> None:
        self.place = place
        self.events: list[str] = []

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.zalo_racer", stdin=pipe, stdout=pipe,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
        assert await self.turn(self.place) == "here"

    async def turn(self, order: dict[str, Any]) -> str:
        """Give the order; what it came to, `dead` and `halted` included."""
        assert self.child.stdin and self.child.stdout
        self.child.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self.child.stdout.readline()
        if not line:
            await self.child.wait()
            return "dead"
        said = json.loads(line)
        self.events += said.get("events", [])
        return str(said["said"])

    async def stop(self) -> None:
        assert self.child.stdin
        self.child.stdin.close()
        await self.child.wait()


@dataclass
class Tally:
    """What the rounds came to."""

    rounds: Counter[str] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    refreshes: int = 0
    met: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass
class Races:
    """The ring: one sandbox, one vault, two processes."""

    sandbox: Sandbox
    clock: Clock
    tokens: TokenKeeper
    racers: tuple[Process, Process]
    folder: Path
    chance: random.Random
    tally: Tally = field(default_factory=Tally)
    number: int = 0
    refreshing: int = 0  # requests for a new pair that reached the sandbox

    async def run(self, mishap: Mishap) -> None:
        """One round, judged."""
        self.number += 1
        before, log = await self.stored(), self.log_size()
        for racer in self.racers:
            racer.events.clear()
        self.spoil(mishap)
        said = await self.raced(mishap)
        granted = self.granted_since(log)
        self.tally.rounds[mishap.name] += 1
        self.tally.refreshes += granted
        end = KEPT if said == {"ok"} else LOST if said == {"lost"} else f"{sorted(said)}"
        self.tally.ends[mishap.name, end] += 1
        for wrong in [*self.judge(mishap, end, granted), *await self.look(end, before)]:
            self.tally.faults.append(f"round {self.number}, {mishap.name}: {wrong}")
        if end == LOST:
            await self.consent()

    def spoil(self, mishap: Mishap) -> None:
        """The access token dies, or (without a mishap) simply comes of age."""
        tokens = self.sandbox.world.tokens
        match self.chance.choice(["expired", "replaced"] + ["due"] * (mishap is NONE)):
            case "expired":
                tokens.expires = 0.0
            case "replaced":
                tokens.access = "somebody-else-s"
            case "due":
                self.clock.advance(0.85 * DAY_S)
        if mishap.wire:
            delay_s = SHORT_S * self.chance.uniform(0.8, 1.2)
            fault = Fault(route=ROUTE, kind=mishap.wire, delay_s=delay_s)
            self.sandbox.faults.planned.append(fault)

    async def raced(self, mishap: Mishap) -> set[str]:
        """Both at once; then again, as held rows do, until both say the same."""
        first = await self.both(mishap)
        self.tally.met += mishap is NONE and "later" in first
        died = await self.befall(mishap, first)
        for turn in range(TURNS):
            if turn > 1 or died:
                self.clock.advance(PATIENCE_S)
            said = set(await self.both(NONE))
            if len(said) == 1 and said <= {"ok", "lost"}:
                break
        return said

    async def both(self, mishap: Mishap) -> list[str]:
        order = self.order(mishap)
        racers = list(self.racers)
        self.chance.shuffle(racers)
        said = await asyncio.gather(*(racer.turn(order) for racer in racers))
        by_racer = dict(zip(racers, said, strict=True))
        return [by_racer[racer] for racer in self.racers]

    def order(self, mishap: Mishap = NONE) -> dict[str, Any]:
        read_s = SHORT_S if mishap.wire is Kind.SLOW_AFTER else READ_S
        deed = "die" if mishap.deed == "die" else "halt"
        lot = str(self.folder / f"lot-{self.number}")
        return {"now": self.clock(), "read_s": read_s, "at": mishap.at, "deed": deed, "lot": lot}

    async def befall(self, mishap: Mishap, first: list[str]) -> bool:
        """What happens to the one that stands still, or is dead; whether one has died."""
        died = False
        for racer, said in zip(self.racers, first, strict=True):
            if said == "halted" and mishap.deed == "wire":
                self.kill_at_the_effect(racer)
                await racer.turn({})
            elif said == "halted":
                await self.others_go_on(racer)
                await racer.turn({})
            if racer.child.returncode is not None:
                died = True
                await racer.start()
        return died

    def kill_at_the_effect(self, racer: Process) -> None:
        """Zalo has made the new pair; whom it is for is gone before the answer is written."""
        world = self.sandbox.world
        original = world.record

        def killing(kind: str, **facts: Any) -> None:
            world.record = original
            original(kind, **facts)
            racer.child.kill()

        world.record = killing

    async def others_go_on(self, frozen: Process) -> None:
        """For longer than anybody waits for a refresh."""
        self.clock.advance(PATIENCE_S)
        [other] = [racer for racer in self.racers if racer is not frozen]
        await other.turn(self.order())

    def judge(self, mishap: Mishap, end: str, granted: int) -> list[str]:
        wrong = [] if granted == 1 else [f"{granted} refreshes"]
        if end != mishap.end and not (mishap.end == EITHER and end in (KEPT, LOST)):
            wrong.append(f"ended {end}")
        alarms = sum(racer.events.count(ALARM) for racer in self.racers)
        frozen_with_it = (mishap.at, mishap.deed) == (ANSWERED, "freeze")
        if alarms != (end == LOST or frozen_with_it):
            wrong.append(f"{alarms} alarms")
        if mishap.wire and self.sandbox.faults.planned.pop().times > 0:
            wrong.append("the mishap did not happen")
        return wrong

    async def look(self, end: str, before: Grant) -> list[str]:
        """What lies in the vault, laid beside what Zalo takes."""
        grant, live = await self.stored(), self.sandbox.world.tokens
        pair = (grant.access_token, grant.refresh_token)
        if end == KEPT:
            good = pair == (live.access, live.refresh) and not grant.lost and not grant.pending_at
            return [] if good else ["the vault does not hold the living pair"]
        wrong = [] if pair == (before.access_token, before.refresh_token) else ["overwritten"]
        asked = self.refreshing
        again = set(await self.both(NONE))
        if not grant.lost or again != {"lost"} or self.refreshing != asked:
            wrong.append("not honestly lost")
        return wrong

    async def stored(self) -> Grant:
        return (await self.tokens.read()).grant

    async def consent(self) -> None:
        pair = self.sandbox.grant()
        await self.tokens.seed(pair.access_token, pair.refresh_token, pair.life_s)

    def log_size(self) -> int:
        return self.sandbox.world.journal.path.stat().st_size

    def granted_since(self, size: int) -> int:
        """By the sandbox's effect log."""
        with self.sandbox.world.journal.path.open("rb") as file:
            file.seek(size)
            return sum(json.loads(line)["kind"] == "granted" for line in file)


@asynccontextmanager
async def ring(folder: Path, nats_url: str, seed: str) -> AsyncIterator[Races]:
    """Everything in place, a consent given, both processes waiting for their orders."""
    clock, key = Clock(), Fernet.generate_key()
    sandbox = await server.start("127.0.0.1", 0, folder / "sandbox", clock)
    sandbox.world.rules = Rules(per_minute=10**9)
    account, secret = sandbox.settings, sandbox.settings.app_secret.get_secret_value()
    place = {
        "nats": nats_url, "url": sandbox.url, "key": key.decode(),
        "app_id": account.app_id, "app_secret": secret,
    }  # fmt: skip
    async with await Bus.connect(nats_url, name="races") as bus:
        oauth = OAuth(sandbox.url, account.app_id, secret, AioTransport())
        tokens = TokenKeeper(oauth, BusVault(bus), Seal(key), clock)
        racers = (Process(place), Process(place))
        races = Races(sandbox, clock, tokens, racers, folder, random.Random(seed))
        count_refreshing(races)
        await races.consent()
        await asyncio.gather(*(racer.start() for racer in racers))
        yield races
        await asyncio.gather(*(racer.stop() for racer in racers))
    await sandbox.close()


def count_refreshing(races: Races) -> None:
    take: Callable[[str], Fault | None] = races.sandbox.faults.take

    def counted(route: str) -> Fault | None:
        races.refreshing += route == ROUTE
        return take(route)

    races.sandbox.faults.take = counted
