"""Faults of a run: drawn by seed, each kind by its weight, and divided among clusters."""

import random
from itertools import chain, islice, repeat
from math import ceil

from tests.deep.cluster.faults import FAULTS
from tests.deep.crash.schedule import CampaignRun
from tests.support import requirements

HAND = 20
"""Faults on one cluster."""
QUICK = ["kill-leader", "freeze-worker", "cut-off-leader", "kill-door", "empty-server"]
QUICK += ["step-clock", "kill-service", "freeze-leader", "kill-worker", "lose-quorum"]


def plan_runs(faults: int, seed: str, names: tuple[str, ...] = ()) -> list[CampaignRun]:
    """Hands that hold *faults* altogether, of *names* or of all kinds that are possible here."""
    rng = random.Random(seed)
    weighted = (repeat(name, FAULTS[name].weight) for name in names or possible_faults())
    cards, hands = [*chain(*weighted)], ceil(faults / HAND)
    deck: list[str] = []
    while len(deck) < faults:
        deck += islice(rng.sample(cards, len(cards)), faults - len(deck))
    return [CampaignRun(n, f"{seed}.{n}", deck[n::hands]) for n in range(hands)]


def possible_faults() -> list[str]:
    """All kinds, but that of a disk which fills up where no small one can be mounted."""
    return [name for name in FAULTS if name != "full-disk" or requirements.can_mount()]
