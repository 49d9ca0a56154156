"""Race of two processes for a token refresh: real processes, one store, one sandbox."""

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

from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.store import GrantCipher, TokenGrant
from channels.zalo.client.token_store import PENDING_TIMEOUT_S, TokenStore
from channels.zalo.client.transport import AiohttpTransport
from consumers.zalo.stores import BusKeyValueStore
from producers.bus import Bus
from sandbox.zalo import server
from sandbox.zalo.controls.faults import Fault, FaultKind
from sandbox.zalo.server import Sandbox
from sandbox.zalo.state.rules import Rules
from tests.support.clock import FakeClock
from tests.support.token_failures import ANSWERED, EITHER, KEPT, LOST, NO_FAILURE, TokenFailure

ROUTE = "oauth.token"
ALARM = "error zalo_grant_lost"
READ_S, SHORT_S = 15.0, 0.5
DAY_S = 86400.0
MAX_TURNS = 8


class RacerProcess:
    """One racer, started anew after each death."""

    def __init__(self, place: dict[str, str]) -> None:
        self.place = place
        self.events: list[str] = []

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        self.child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.token_race_worker", stdin=pipe, stdout=pipe,
            cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert await self.run_order(self.place) == "here"

    async def run_order(self, order: dict[str, Any]) -> str:
        """Give the order; returns its result, `dead` and `halted` included."""
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
class RaceResults:
    """Results of all rounds."""

    rounds: Counter[str] = field(default_factory=Counter)
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    refreshes: int = 0
    failures_met: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass
class TokenRace:
    """A race: one sandbox, one store, two processes."""

    sandbox: Sandbox
    clock: FakeClock
    tokens: TokenStore
    racers: tuple[RacerProcess, RacerProcess]
    folder: Path
    chance: random.Random
    tally: RaceResults = field(default_factory=RaceResults)
    number: int = 0
    refreshing: int = 0  # requests for a new pair that reached the sandbox

    async def run(self, mishap: TokenFailure) -> None:
        """One round, judged."""
        self.number += 1
        before, log = await self.stored(), self.log_size()
        for racer in self.racers:
            racer.events.clear()
        self.invalidate_token(mishap)
        said = await self.race(mishap)
        granted = self.granted_since(log)
        self.tally.rounds[mishap.name] += 1
        self.tally.refreshes += granted
        end = KEPT if said == {"ok"} else LOST if said == {"lost"} else f"{sorted(said)}"
        self.tally.ends[mishap.name, end] += 1
        for wrong in [
            *self.round_errors(mishap, end, granted),
            *await self.stored_pair_errors(end, before),
        ]:
            self.tally.faults.append(f"round {self.number}, {mishap.name}: {wrong}")
        if end == LOST:
            await self.consent()

    def invalidate_token(self, mishap: TokenFailure) -> None:
        """The access token dies, or (without a mishap) simply comes of age."""
        tokens = self.sandbox.world.tokens
        match self.chance.choice(["expired", "replaced"] + ["due"] * (mishap is NO_FAILURE)):
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

    async def race(self, mishap: TokenFailure) -> set[str]:
        """Both at once; then again, as held rows do, until both say the same."""
        first = await self.run_both(mishap)
        self.tally.failures_met += mishap is NO_FAILURE and "later" in first
        died = await self.apply_failure(mishap, first)
        for turn in range(MAX_TURNS):
            if turn > 1 or died:
                self.clock.advance(PENDING_TIMEOUT_S)
            said = set(await self.run_both(NO_FAILURE))
            if len(said) == 1 and said <= {"ok", "lost"}:
                break
        return said

    async def run_both(self, mishap: TokenFailure) -> list[str]:
        order = self.order(mishap)
        racers = list(self.racers)
        self.chance.shuffle(racers)
        said = await asyncio.gather(*(racer.run_order(order) for racer in racers))
        by_racer = dict(zip(racers, said, strict=True))
        return [by_racer[racer] for racer in self.racers]

    def order(self, mishap: TokenFailure = NO_FAILURE) -> dict[str, Any]:
        read_s = SHORT_S if mishap.wire is FaultKind.SLOW_AFTER else READ_S
        action = "die" if mishap.action == "die" else "halt"
        lot = str(self.folder / f"lot-{self.number}")
        return {
            "now": self.clock(),
            "read_s": read_s,
            "at": mishap.at,
            "action": action,
            "lot": lot,
        }

    async def apply_failure(self, mishap: TokenFailure, first: list[str]) -> bool:
        """Apply the failure to the halted or dead process; whether one has died."""
        died = False
        for racer, said in zip(self.racers, first, strict=True):
            if said == "halted" and mishap.action == "wire":
                self.kill_at_the_effect(racer)
                await racer.run_order({})
            elif said == "halted":
                await self.wait_longer_than_lease(racer)
                await racer.run_order({})
            if racer.child.returncode is not None:
                died = True
                await racer.start()
        return died

    def kill_at_the_effect(self, racer: RacerProcess) -> None:
        """Zalo has made the new pair; the process is killed before the answer is written."""
        world = self.sandbox.world
        original = world.record

        def killing(kind: str, **facts: Any) -> None:
            world.record = original
            original(kind, **facts)
            racer.child.kill()

        world.record = killing

    async def wait_longer_than_lease(self, frozen: RacerProcess) -> None:
        """Wait longer than any process waits for a refresh."""
        self.clock.advance(PENDING_TIMEOUT_S)
        [other] = [racer for racer in self.racers if racer is not frozen]
        await other.run_order(self.order())

    def round_errors(self, mishap: TokenFailure, end: str, granted: int) -> list[str]:
        wrong = [] if granted == 1 else [f"{granted} refreshes"]
        if end != mishap.end and not (mishap.end == EITHER and end in (KEPT, LOST)):
            wrong.append(f"ended {end}")
        alarms = sum(racer.events.count(ALARM) for racer in self.racers)
        frozen_with_it = (mishap.at, mishap.action) == (ANSWERED, "freeze")
        if alarms != (end == LOST or frozen_with_it):
            wrong.append(f"{alarms} alarms")
        if mishap.wire and self.sandbox.faults.planned.pop().times > 0:
            wrong.append("the mishap did not happen")
        return wrong

    async def stored_pair_errors(self, end: str, before: TokenGrant) -> list[str]:
        """Differences between the stored pair and the pair that Zalo accepts."""
        grant, live = await self.stored(), self.sandbox.world.tokens
        pair = (grant.access_token, grant.refresh_token)
        if end == KEPT:
            good = pair == (live.access, live.refresh) and not grant.lost and not grant.pending_at
            return [] if good else ["the vault does not hold the living pair"]
        wrong = [] if pair == (before.access_token, before.refresh_token) else ["overwritten"]
        asked = self.refreshing
        again = set(await self.run_both(NO_FAILURE))
        if not grant.lost or again != {"lost"} or self.refreshing != asked:
            wrong.append("not honestly lost")
        return wrong

    async def stored(self) -> TokenGrant:
        return (await self.tokens.read()).grant

    async def consent(self) -> None:
        pair = self.sandbox.grant()
        await self.tokens.seed(pair.access_token, pair.refresh_token, pair.lifetime_s)

    def log_size(self) -> int:
        return self.sandbox.world.journal.path.stat().st_size

    def granted_since(self, size: int) -> int:
        """By the sandbox's effect log."""
        with self.sandbox.world.journal.path.open("rb") as file:
            file.seek(size)
            return sum(json.loads(line)["kind"] == "granted" for line in file)


@asynccontextmanager
async def open_token_race(folder: Path, nats_url: str, seed: str) -> AsyncIterator[TokenRace]:
    """Everything in place, a consent given, both processes waiting for their orders."""
    clock, key = FakeClock(), Fernet.generate_key()
    sandbox = await server.start("127.0.0.1", 0, folder / "sandbox", clock)
    sandbox.world.rules = Rules(per_minute=10**9)
    account, secret = sandbox.settings, sandbox.settings.app_secret.get_secret_value()
    place = {
        "nats": nats_url, "url": sandbox.url, "key": key.decode(),
        "app_id": account.app_id, "app_secret": secret,
    }  # fmt: skip
    async with await Bus.connect(nats_url, name="races") as bus:
        oauth = OAuthClient(sandbox.url, account.app_id, secret, AiohttpTransport())
        tokens = TokenStore(oauth, BusKeyValueStore(bus), GrantCipher(key), clock)
        racers = (RacerProcess(place), RacerProcess(place))
        races = TokenRace(sandbox, clock, tokens, racers, folder, random.Random(seed))
        count_refreshing(races)
        await races.consent()
        await asyncio.gather(*(racer.start() for racer in racers))
        yield races
        await asyncio.gather(*(racer.stop() for racer in racers))
    await sandbox.close()


def count_refreshing(races: TokenRace) -> None:
    take: Callable[[str], Fault | None] = races.sandbox.faults.take

    def counted(route: str) -> Fault | None:
        races.refreshing += route == ROUTE
        return take(route)

    races.sandbox.faults.take = counted
