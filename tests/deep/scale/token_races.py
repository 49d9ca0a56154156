"""A thousand times two processes want a new token at one moment; Zalo's own log says what happened.

python -m tests.deep.scale.token_races 1000

The processes, the nats-server and the sockets are real. A refresh token works once: each round has
to end with one refresh and the living pair in the vault, for both. Then the same with deaths, with
frozen processes and lost answers: there the pair survives, or the grant is said to be lost, once.
Exit code 1 when a round did not.
"""

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

import structlog

from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from tests.support.token_failures import NO_FAILURE, TOKEN_FAILURES, TokenFailure
from tests.support.token_race import RaceResults, TokenRace, open_token_race


async def measure(plain: int, spoiled: int, seed: str) -> RaceResults:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        async with NatsServer(folder / "nats") as nats:
            async with await Bus.connect(nats.url) as bus:
                await topology.apply(bus)
            async with open_token_race(folder, nats.url, seed) as races:
                return await rounds(races, plain, spoiled)


async def rounds(races: TokenRace, plain: int, spoiled: int) -> RaceResults:
    """The plain ones, then the spoiled ones: each mishap about equally often."""
    for _ in range(plain):
        await races.run(NO_FAILURE)
    deck: list[TokenFailure] = []
    for _ in range(spoiled):
        if not deck:
            deck = races.chance.sample(TOKEN_FAILURES, len(TOKEN_FAILURES))
        await races.run(deck.pop())
    return races.tally


def print_result(tally: RaceResults) -> None:
    total = sum(tally.rounds.values())
    say = sys.stdout.write
    say(
        f"{total:,} races of two processes: {tally.refreshes:,} refreshes, "
        f"{tally.failures_met:,} met,"
    )
    say(f" {len(tally.faults)} wrong\n")
    for (name, end), times in sorted(tally.ends.items()):
        say(f"{times:6,}  {end:5}  {name}\n")
    for fault in tally.faults:
        say(f"WRONG: {fault}\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("rounds", type=int, nargs="?", default=1000)
    parser.add_argument("--spoiled", type=int, help="so many with a mishap (else half as many)")
    parser.add_argument("--seed", default="1")
    asked = parser.parse_args()
    spoiled = asked.rounds // 2 if asked.spoiled is None else asked.spoiled
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    tally = asyncio.run(measure(asked.rounds, spoiled, asked.seed))
    print_result(tally)
    sys.exit(1 if tally.faults else 0)
