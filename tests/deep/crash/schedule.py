"""Which deaths a run consists of: every point equally often, shuffled by seed, and dealt."""

import random
from itertools import islice, repeat
from math import ceil
from typing import NamedTuple

from tests.deep.crash.campaign import BUS, RANDOM
from tests.deep.crash.scenarios import BIRTH, WAYS

HAND = 32
"""Deaths on one folder: more would make its last start long, fewer its first one dear."""
POINTS = (*WAYS, *repeat(RANDOM, 4), *repeat(BUS, 2))
QUICK_FOLDERS = 4


class CampaignRun(NamedTuple):
    """One campaign: its number, its own seed, its deaths in order."""

    number: int
    seed: str
    points: list[str]


def plan_runs(
    kills: int, seed: str, points: tuple[str, ...] = POINTS, size: int = HAND
) -> list[CampaignRun]:
    """Hands that hold *kills* deaths altogether; every folder is also killed at its birth."""
    rng = random.Random(seed)
    hands = ceil(kills / (size + 1))
    deck: list[str] = []
    while len(deck) < kills - hands:
        deck += islice(rng.sample(points, len(points)), kills - hands - len(deck))
    return [CampaignRun(n, f"{seed}.{n}", [BIRTH, *deck[n::hands]]) for n in range(hands)]


def quick_runs() -> list[CampaignRun]:
    """Every point once."""
    size = ceil(len(POINTS) / QUICK_FOLDERS)
    return plan_runs(len(POINTS) + QUICK_FOLDERS, "quick", size=size)
