"""Planted bugs: each breaks one rule of the product, and the model must see it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from tests.model import bugs_of_planning, bugs_of_sending
from tests.model.planted import Plant

BUGS: dict[str, Callable[[], Sequence[Plant]]] = bugs_of_planning.BUGS | bugs_of_sending.BUGS
HARMLESS: dict[str, str] = bugs_of_planning.HARMLESS | bugs_of_sending.HARMLESS
"""Why some do no harm: each is another rule's second line of defence."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put the bug *name* into the product for as long as the block runs."""
    with ExitStack() as stack:
        for plant in BUGS[name]():
            stack.enter_context(patch.object(plant.where, plant.name, plant.what))
        yield


def doc(name: str) -> str:
    text: Any = BUGS[name].__doc__
    return str(text)
