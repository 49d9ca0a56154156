"""What every channel is: something that sends a window of rows and answers for doubtful ones."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

from contracts.case import CaseNotice
from contracts.delivery import ChannelName, PlanKey
from contracts.publication import Publication
from contracts.subscriptions.digest import Digest
from contracts.subscriptions.transactional import TransactionalMail


class Verdict(StrEnum):
    """What became of one row.

    The first group answers `send`; `resolve` may also answer with the second.
    """

    DELIVERED = "delivered"  # the provider has taken it
    FAILED = "failed"  # never, for this row
    SUPPRESSED = "suppressed"  # this recipient must not get it
    DEFERRED = "deferred"  # not now; costs one attempt
    HELD = "held"  # not now, and not the row's fault: costs no attempt
    UNSENT = "unsent"  # surely not sent (own deadline passed, connection lost before it)
    DOUBT = "doubt"  # may have been sent

    ABSENT = "absent"  # surely never arrived: may be sent as if for the first time
    RESEND = "resend"  # nobody can know: send again and count it as a possible duplicate
    UNKNOWN = "unknown"  # only a receipt or a person can tell; never sent again


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row's verdict; `reason` is short and safe to log, `after_s` the provider's own delay.

    `trouble`: not this row's, but the whole channel's. `turned_away`: refused by policy before it
    was heard, which may be this recipient's or the whole channel's. `asked`: whether the provider
    had to say anything for it. `silence_s`: for so long this recipient wants nothing more on this
    channel. `code`: the provider's own, where a table says what else follows from it.
    These speak of the channel or the recipient, and change nothing for the row.
    """

    verdict: Verdict
    reason: str = ""
    retry_after_s: float | None = None
    channel_wide: bool = field(default=False, compare=False)
    policy_rejected: bool = field(default=False, compare=False)
    reached_provider: bool = field(default=True, compare=False)
    mute_s: float = field(default=0.0, compare=False)
    code: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One row as a channel sees it; `correction` = got (or may have got) an earlier, wrong text.

    `place`: where the row is in the ledger, without an address; see `consumers.ledger.row_ref`.
    `picks`: which of a digest's items it gets, as a bit mask. `had`: of whoever got the earlier
    text in a digest, all mails that brought one, oldest text first.
    """

    id: str
    delivery_key: str
    address: str = ""
    name: str = ""
    correction: bool = False
    row_ref: str = ""
    picks: int = 0
    earlier_mails: tuple[PlanKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Canary:
    """A delivery that nobody reads; `target` is the operator's own mailbox, or the public address.

    Without a target the channel does as much as it can do without one.
    """

    number: int
    at: datetime
    target: str = ""


Content = Publication | CaseNotice | TransactionalMail | Digest
"""What a channel has to say: to followers, or to one person. Letters and digests are mail alone."""
Deadline = Callable[[], bool]
"""True once nothing more may be sent: asked before EACH row, not once per window."""


Rendered = TypeVar("Rendered")
"""Content as one channel sends it."""
Rendered_contra = TypeVar("Rendered_contra", contravariant=True)


class Session(Protocol[Rendered_contra]):
    """One connection to the provider; a batch runs on one session."""

    async def send(
        self, rendered: Rendered_contra, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        """Send the rows in order; one outcome per row, in order. Never raises for a row."""

    async def resolve(self, rendered: Rendered_contra, rows: Sequence[Recipient]) -> list[Outcome]:
        """Say what is known of rows in doubt. DOUBT with `after_s` means: ask again later."""

    def abort(self) -> None:
        """We stop: wait no longer for the provider, so that `send` says now what is known."""

    async def probe(self, canary: Canary) -> Outcome:
        """Try the way that rows go, where no reader sees it. DELIVERED = it works."""


class Channel(Protocol[Rendered]):
    """A way to reach somebody.

    `window` rows go out between two ledger writes, on at most `connections` sessions at once.
    `request_timeout_s` bounds one row's request; after `settle_s` no late effect can land any more.
    """

    name: ChannelName
    connections: int
    window: int
    request_timeout_s: float
    settle_s: float

    def render(self, content: Content) -> Rendered:
        """Do the work that is the same for every recipient, once."""

    def session(self) -> AbstractAsyncContextManager[Session[Rendered]]:
        """Open (or reuse) a connection. Raises ChannelError when the provider can't be reached."""

    async def close(self) -> None:
        """Let go of connections."""
