"""Planted bugs: each breaks one rule of the product, and the model must see it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

from tests.model import bugs_of_claiming, bugs_of_planning, bugs_of_sending
from tests.model.planted import Plant

BUGS: dict[str, Callable[[], Sequence[Plant]]] = (
    bugs_of_planning.BUGS | bugs_of_claiming.BUGS | bugs_of_sending.BUGS
)
HARMLESS = bugs_of_planning.HARMLESS | bugs_of_claiming.HARMLESS
RARE = bugs_of_planning.RARE | bugs_of_claiming.RARE | bugs_of_sending.RARE


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put the bug *name* into the product for as long as the block runs."""
    with ExitStack() as stack:
        for plant in BUGS[name]():
            stack.enter_context(patch.object(plant.where, plant.name, plant.what))
        yield
