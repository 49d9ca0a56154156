"""Planted bugs: each breaks one rule of the product, and the model must see it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tests.deep.model import lease_bugs, planning_bugs, sending_bugs
from tests.deep.model.planted_bug import Replacement

BUGS: dict[str, Callable[[], Sequence[Replacement]]] = (
    planning_bugs.BUGS | lease_bugs.BUGS | sending_bugs.BUGS
)
HARMLESS = planning_bugs.HARMLESS | lease_bugs.HARMLESS
RARE = planning_bugs.RARE | lease_bugs.RARE | sending_bugs.RARE


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put the bug *name* into the product for as long as the block runs."""
    with ExitStack() as stack:
        for plant in BUGS[name]():
            stack.enter_context(patch.object(plant.where, plant.name, plant.replacement))
        yield
