"""Sign-up applications, and the errors of links in mails, shared by pages and services."""

from enum import StrEnum

from contracts.base.fields import Contract

SUPPRESSION_FIELD = "left_alone"
"""Key in exported data: why no mail is sent to the address, since when and until when."""


class LinkProblem(StrEnum):
    """Why a link is refused."""

    FORGED = "forged"
    EXPIRED = "expired"
    USED = "used"  # or its purpose no longer exists
    TAKEN = "taken"  # the new address belongs to another subscriber


class LinkRefused(Exception):
    """A link that is forged, expired, used, or for an address of another subscriber."""

    def __init__(self, problem: LinkProblem) -> None:
        super().__init__(problem.value)
        self.problem = problem


class SignupApplication(Contract):
    """The fields of a sign-up form as entered; nothing is stored before the confirmation."""

    email: str = ""
    name: str = ""
    topics: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    frequency: str = ""
    version: str = ""
    """Version of the consent text that was agreed to."""
    ip: str = ""
    """IP address of the request; the pages pass it on, services keep a keyed hash only."""
