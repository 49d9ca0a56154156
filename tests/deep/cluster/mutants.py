"""Mistakes in reading from a cluster that Loa does not make, planted to see that they are found."""

from consumers.directory.directory import Directory
from consumers.ledger.store import Ledger
from producers.bus.records import Versioned
from tests.support.planted_bugs import PlantedBugs

MUTANTS = PlantedBugs()
instead_of = MUTANTS.instead_of
BEHIND = "_behind"


@instead_of(Directory, "ready")
async def plan_by_a_stale_copy(_ready, _self):
    """Plans are made from the readers' copy as it is, without a look at the leader."""


@instead_of(Ledger, "swap")
async def swap_on_a_followers_value(swap, self, batch, known, entry, *, until):
    """Read back the value that a follower still has, with the leader's revision."""
    setattr(self, BEHIND, {**getattr(self, BEHIND, {}), batch: known.value})
    return await swap(self, batch, known, entry, until=until)


@instead_of(Ledger, "read_back", "swap-on-a-followers-value")
async def read_back_behind(read_back, self, batch, until):
    current = await read_back(self, batch, until)
    return Versioned(getattr(self, BEHIND, {}).get(batch, current.value), current.revision)
