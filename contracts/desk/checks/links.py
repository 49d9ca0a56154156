"""The links of a text, asked whether they lead anywhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

LINKS_MAX = 60
"""Links of one text that are asked."""


class CheckedLink(NamedTuple):
    """A link that was asked. `reason`: why no page came, empty for one that came.

    `detail`: the status of the answer, where that is the reason.
    """

    url: str
    at: datetime
    reason: str = ""
    detail: str = ""


class LinkChecks(Protocol):
    """Asks public web addresses, and remembers for a while what came of it."""

    async def check(self, urls: Sequence[str]) -> None:
        """Ask each of the first LINKS_MAX addresses once, within seconds."""
        ...

    def known(self, urls: Sequence[str]) -> Sequence[CheckedLink]:
        """What came of those of *urls* that were asked lately, in their order."""
        ...
