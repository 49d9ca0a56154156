"""What a planted bug is made of."""

from typing import Any, NamedTuple


class Plant(NamedTuple):
    """`where.name` becomes `what`."""

    where: Any
    name: str
    what: Any


async def nothing(*_: Any, **__: Any) -> None:
    """In the place of something that matters."""
