"""Bugs that tests plant into the product, to see that they would be found."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch


class Replacement(NamedTuple):
    """`where.name` becomes `replacement`."""

    where: Any
    name: str
    replacement: Any


class PlantedBugs(dict[str, list[Replacement]]):
    """Bugs by name, each with what it replaces."""

    def instead_of(self, where: Any, name: str, bug: str = "") -> Callable[[Any], Any]:
        """Plant the function below in the place of `where.name`; it gets the original first."""
        original = getattr(where, name)

        def plant(function: Any) -> Any:
            def planted_bug(*args: Any, **kwargs: Any) -> Any:
                return function(original, *args, **kwargs)

            replacements = self.setdefault(bug or function.__name__.replace("_", "-"), [])
            replacements.append(Replacement(where, name, planted_bug))
            return function

        return plant

    @contextmanager
    def planted(self, bug: str) -> Iterator[None]:
        """Put *bug* into the product for as long as the block runs."""
        with ExitStack() as stack:
            for where, name, replacement in self[bug]:
                stack.enter_context(patch.object(where, name, replacement))
            yield


async def no_op(*_: Any, **__: Any) -> None:
    """In the place of something that matters."""
