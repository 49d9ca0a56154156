"""A thousand times two processes want a new token at one moment; Zalo's own log says what happened.

python -m tests.deep.scale.token_races 1000

The processes, the nats-server and the sockets are real. A refresh token works once: each round has
to end with one refresh and the living pair in the vault, for both. Then half as many with deaths,
frozen processes and lost answers: there the pair survives, or the grant is said to be lost, once.
Exit code 1 when a round did not.
"""

import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog
from cryptography.fernet import Fernet

from channels.zalo.client.oauth_api import OAuthClient
from channels.zalo.client.store import GrantCipher, TokenGrant
from channels.zalo.client.token_store import PENDING_TIMEOUT_S, TokenStore
from channels.zalo.client.transport import AiohttpTransport
from consumers.zalo.stores import BusKeyValueStore
from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from sandbox.zalo import server
from sandbox.zalo.controls.faults import Fault, FaultKind
from sandbox.zalo.server import Sandbox
from sandbox.zalo.state.rules import Rules
from tests.deep.scale.token_race_worker import BEFORE_NOTE
from tests.support.clock import FakeClock

ROOT = Path(__file__).parents[3]
ALARM = "error zalo_grant_lost"
DAY_S = 86400.0
MAX_TURNS = 12
KEPT, LOST = "kept", "lost"
NOTED, ANSWERED, STORED = "zalo.refresh_noted", "zalo.refresh_answered", "zalo.pair_stored"


@dataclass(frozen=True)
class TokenFailure:
    """A failure of the refreshing process, or of its call, and the expected result of the round."""

    name: str
    end: str = KEPT
    at: str = ""
    action: str = ""
    wire: FaultKind | None = None


NO_FAILURE = TokenFailure("nothing")
TOKEN_FAILURES = (
    TokenFailure("dies before it notes anything", KEPT, BEFORE_NOTE, "die"),
    TokenFailure("dies when it has noted", KEPT, NOTED, "die"),
    TokenFailure("dies while Zalo answers", LOST, NOTED, "wire"),
    TokenFailure("dies with the answer in its hands", LOST, ANSWERED, "die"),
    TokenFailure("dies when the pair is stored", KEPT, STORED, "die"),
    TokenFailure("is frozen before the call", KEPT, NOTED, "freeze"),
    TokenFailure("is frozen with the answer in its hands", KEPT, ANSWERED, "freeze"),
    TokenFailure("the request is lost", wire=FaultKind.DROP_BEFORE),
    TokenFailure("a gateway refuses", wire=FaultKind.HTML_BEFORE),
    TokenFailure("the answer is lost", LOST, wire=FaultKind.DROP_AFTER),
    TokenFailure("half an answer comes", LOST, wire=FaultKind.TRUNCATE_AFTER),
    TokenFailure("an empty answer comes", LOST, wire=FaultKind.EMPTY_AFTER),
    TokenFailure("a gateway hides the answer", LOST, wire=FaultKind.HTML_AFTER),
)


class Racer:
    """One of the two processes, started anew after each death."""

    def __init__(self, place: dict[str, str]) -> None:
        self.place = place
        self.events: list[str] = []

    async def start(self) -> None:
        pipe = asyncio.subprocess.PIPE
        command = (sys.executable, "-m", "tests.deep.scale.token_race_worker")
        self.child = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, cwd=ROOT
        )
        assert await self.run_order(self.place) == "ready"

    async def run_order(self, order: dict[str, Any]) -> str:
        """Give the order; returns its result, `dead` and `halted` included."""
        assert self.child.stdin and self.child.stdout
        self.child.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self.child.stdout.readline()
        if not line:
            await self.child.wait()
            return "dead"
        answer = json.loads(line)
        self.events += answer.get("events", [])
        return str(answer["result"])

    async def stop(self) -> None:
        assert self.child.stdin
        self.child.stdin.close()
        await self.child.wait()


@dataclass
class TokenRace:
    """One sandbox, one store, two processes; and the results of all rounds."""

    sandbox: Sandbox
    clock: FakeClock
    tokens: TokenStore
    racers: tuple[Racer, Racer]
    folder: Path
    chance: random.Random
    number: int = 0
    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    encounters: int = 0
    errors: list[str] = field(default_factory=list)

    async def rounds(self, plain: int, spoiled: int) -> None:
        """The plain ones, then the spoiled ones: each failure about equally often."""
        deck = [NO_FAILURE] * plain
        while len(deck) < plain + spoiled:
            deck += self.chance.sample(TOKEN_FAILURES, len(TOKEN_FAILURES))
        for failure in deck[: plain + spoiled]:
            await self.run(failure)

    async def run(self, failure: TokenFailure) -> None:
        """One round, judged."""
        self.number += 1
        before, spent = await self.stored(), len(self.sandbox.world.tokens.spent)
        for racer in self.racers:
            racer.events.clear()
        self.invalidate_token(failure)
        results = await self.race(failure)
        refreshes = len(self.sandbox.world.tokens.spent) - spent
        end = KEPT if results == {"ok"} else LOST if results == {"lost"} else f"{sorted(results)}"
        self.ends[failure.name, end] += 1
        errors = self.round_errors(failure, end, refreshes) + await self.pair_errors(end, before)
        self.errors += [f"round {self.number}, {failure.name}: {error}" for error in errors]
        if end == LOST:
            await self.consent()

    def invalidate_token(self, failure: TokenFailure) -> None:
        """The access token dies, or (without a failure) simply comes of age."""
        tokens = self.sandbox.world.tokens
        match self.chance.choice(["expired", "replaced"] + ["due"] * (failure is NO_FAILURE)):
            case "expired":
                tokens.expires = 0.0
            case "replaced":
                tokens.access = "another"
            case "due":
                self.clock.advance(0.85 * DAY_S)
        if failure.wire:
            self.sandbox.faults.planned.append(Fault(route="oauth.token", kind=failure.wire))

    async def race(self, failure: TokenFailure) -> set[str]:
        """Both at once; then again, as held rows do, until both have the same result."""
        first = await self.run_both(failure)
        self.encounters += failure is NO_FAILURE and "later" in first
        died = await self.apply_failure(failure, first)
        for turn in range(MAX_TURNS):
            if turn > 1 or died:
                self.clock.advance(PENDING_TIMEOUT_S)
            results = set(await self.run_both())
            if len(results) == 1 and results <= {"ok", "lost"}:
                break
        return results

    async def run_both(self, failure: TokenFailure = NO_FAILURE) -> list[str]:
        order, shuffled = self.order(failure), self.chance.sample(self.racers, 2)
        results = await asyncio.gather(*(racer.run_order(order) for racer in shuffled))
        return results if shuffled[0] is self.racers[0] else results[::-1]

    def order(self, failure: TokenFailure = NO_FAILURE) -> dict[str, Any]:
        lot = str(self.folder / f"lot-{self.number}")
        return {"now": self.clock(), "at": failure.at, "action": failure.action, "lot": lot}

    async def apply_failure(self, failure: TokenFailure, first: list[str]) -> bool:
        """Apply the failure to the halted or dead process; whether one has died."""
        died = False
        for racer, other, result in zip(self.racers, self.racers[::-1], first, strict=True):
            if result == "halted":
                if failure.action == "wire":
                    self.kill_at_the_effect(racer)
                else:  # frozen for longer than any process waits for a refresh
                    self.clock.advance(PENDING_TIMEOUT_S)
                    await other.run_order(self.order())
                await racer.run_order({})
            if racer.child.returncode is not None:
                died = True
                await racer.start()
        return died

    def kill_at_the_effect(self, racer: Racer) -> None:
        """Zalo has made the new pair; the process is killed before the answer is written."""
        world = self.sandbox.world
        original = world.record

        def kill(kind: str, **facts: Any) -> None:
            world.record = original
            original(kind, **facts)
            racer.child.kill()

        world.record = kill

    def round_errors(self, failure: TokenFailure, end: str, refreshes: int) -> list[str]:
        errors = [] if refreshes == 1 else [f"{refreshes} refreshes"]
        if end != failure.end:
            errors.append(f"ended {end}")
        alarms = sum(racer.events.count(ALARM) for racer in self.racers)
        if alarms != (end == LOST):
            errors.append(f"{alarms} alarms")
        if failure.wire and self.sandbox.faults.planned.pop().times > 0:
            errors.append("the failure did not happen")
        return errors

    async def pair_errors(self, end: str, before: TokenGrant) -> list[str]:
        """Differences between the stored pair and the pair that Zalo accepts."""
        grant, live = await self.stored(), self.sandbox.world.tokens
        pair = (grant.access_token, grant.refresh_token)
        if end == KEPT:
            good = pair == (live.access, live.refresh) and not grant.lost and not grant.pending_at
            return [] if good else ["the vault does not hold the living pair"]
        errors = [] if pair == (before.access_token, before.refresh_token) else ["overwritten"]
        unasked = Fault(route="oauth.token", kind=FaultKind.DROP_BEFORE)
        self.sandbox.faults.planned.append(unasked)
        again = set(await self.run_both())
        self.sandbox.faults.planned.remove(unasked)
        if not grant.lost or again != {"lost"} or unasked.times != 1:
            errors.append("not honestly lost")
        return errors

    async def stored(self) -> TokenGrant:
        return (await self.tokens.read()).grant

    async def consent(self) -> None:
        await self.tokens.seed(self.sandbox.grant())


@asynccontextmanager
async def open_token_race(folder: Path, nats_url: str, seed: str) -> AsyncIterator[TokenRace]:
    """Everything in place, a consent given, both processes waiting for their orders."""
    clock, key = FakeClock(), Fernet.generate_key()
    sandbox = await server.start("127.0.0.1", 0, folder / "sandbox", clock)
    sandbox.world.rules = Rules(per_minute=10**9)
    app_id, secret = sandbox.settings.app_id, sandbox.settings.app_secret.get_secret_value()
    place = {"nats": nats_url, "url": sandbox.url, "key": key.decode(), "app_id": app_id}
    racers = Racer(place | {"app_secret": secret}), Racer(place | {"app_secret": secret})
    async with await Bus.connect(nats_url, name="races") as bus:
        oauth = OAuthClient(sandbox.url, app_id, secret, AiohttpTransport())
        tokens = TokenStore(oauth, BusKeyValueStore(bus), GrantCipher(key), clock)
        race = TokenRace(sandbox, clock, tokens, racers, folder, random.Random(seed))
        await race.consent()
        await asyncio.gather(*(racer.start() for racer in racers))
        yield race
        await asyncio.gather(*(racer.stop() for racer in racers))
    await sandbox.close()


async def main(number: int) -> int:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with NatsServer(folder / "nats") as nats:
            async with await Bus.connect(nats.url) as bus:
                await topology.apply(bus)
            async with open_token_race(folder, nats.url, "1") as race:
                await race.rounds(number, number // 2)
    lines = [f"{times:6,}  {end:5}  {name}" for (name, end), times in sorted(race.ends.items())]
    met, wrong = race.encounters, len(race.errors)
    total = f"{race.number:,} races of two processes: {met:,} met, {wrong} wrong"
    sys.stdout.write("\n".join([total, *lines, *race.errors, ""]))
    return 1 if race.errors else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]))))
