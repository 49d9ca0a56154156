"""What the pages and the readers' office say to each other: applications, and links that fail."""

from enum import StrEnum

from contracts.base.fields import Contract

SUPPRESSION_FIELD = "left_alone"
"""In a reader's own data: why no mail is sent to the address, since when and until when."""


class LinkProblem(StrEnum):
    """Why a link leads nowhere."""

    FORGED = "forged"
    EXPIRED = "expired"
    USED = "used"  # or overtaken: what it was for is no longer there
    TAKEN = "taken"  # the new address is another reader's


class LinkRefused(Exception):
    """A link that can't be followed."""

    def __init__(self, problem: LinkProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class SignupApplication(Contract):
    """What somebody asks for on a page, as they wrote it; nothing of it is stored unconfirmed."""

    email: str = ""
    name: str = ""
    topics: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    frequency: str = ""
    version: str = ""
    """Of the text that was agreed to."""
    ip: str = ""
    """Where it came from; a keyed hash as soon as it leaves the page."""
