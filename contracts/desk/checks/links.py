"""The links of a text, asked whether they lead anywhere."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

LINKS_MAX = 60
"""Links of one text that one check asks."""
HOST_LINKS_MAX = 20
"""Of these, links of one host, which the desk does not burden for long."""


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
        """Ask LINKS_MAX addresses, HOST_LINKS_MAX of one host, once each, within seconds.

        What could not be asked by then has no result; those without one come first.
        """
        ...

    def known(self, urls: Sequence[str]) -> Sequence[CheckedLink]:
        """The results for those of *urls* that were asked lately, in their order."""
        ...
