"""Errors of subscription pages: refused links, exhausted mail quotas."""

from enum import StrEnum


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


class MailQuotaReached(Exception):
    """The hourly mail quota is used up; it holds for all recipients."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"none for {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s
