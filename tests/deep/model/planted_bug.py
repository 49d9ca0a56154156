"""What a planted bug is made of."""

from typing import Any, NamedTuple


class Replacement(NamedTuple):
    """`where.name` becomes `what`."""

    where: Any
    name: str
    replacement: Any


async def no_op(*_: Any, **__: Any) -> None:
    """In the place of something that matters."""
