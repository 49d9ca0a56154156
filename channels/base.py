"""Channel protocol: send a window of rows, and resolve rows in doubt."""

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
    """Result of one row. `send` returns the first group; `resolve` also the second."""

    DELIVERED = "delivered"  # the provider accepted it
    FAILED = "failed"  # never, for this row
    SUPPRESSED = "suppressed"  # this recipient must not get it
    DEFERRED = "deferred"  # not now; costs one attempt
    HELD = "held"  # not now, and not the row's fault: costs no attempt
    UNSENT = "unsent"  # certainly not sent (own deadline passed, connection lost before)
    DOUBT = "doubt"  # may have been sent

    ABSENT = "absent"  # certainly never arrived: may be sent as for the first time
    RESEND = "resend"  # can't be known: send again and count a possible duplicate
    UNKNOWN = "unknown"  # only a receipt or an operator can tell; never sent again


AFTER_EARLIER_ROW = "the article is not live"
"""The reason of a row that waits for an earlier row of its batch: due once that is delivered."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row's verdict; `reason` is short and safe to log, `retry_after_s` the provider's delay.

    The other fields concern the channel or the recipient, and do not change the row:
    `channel_wide`: the failure is the channel's. `policy_rejected`: rejected by policy before the
    content was read, for this recipient or for the whole channel. `message_refused`: refused after
    the content was read, without a word on the recipient. `reached_provider`: the outcome includes
    an answer of the provider. `accepted`: a doubt of a channel that works; only the proof that
    readers see the row is missing. `mute_s`: the recipient wants no more on this channel for that
    time. `code`: the provider's code, if a table derives more from it.
    """

    verdict: Verdict
    reason: str = ""
    retry_after_s: float | None = None
    channel_wide: bool = field(default=False, compare=False)
    policy_rejected: bool = field(default=False, compare=False)
    message_refused: bool = field(default=False, compare=False)
    reached_provider: bool = field(default=True, compare=False)
    accepted: bool = field(default=False, compare=False)
    mute_s: float = field(default=0.0, compare=False)
    code: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Recipient:
    """One row as a channel sees it; `correction`: it got (or may have got) an earlier, wrong text.

    `row_ref`: names the row in the ledger, without an address; see `consumers.ledger.row_ref`.
    `picks`: the items of a digest that it gets, as a bit mask; of a bulletin those that it has had.
    `earlier_mails`: for a recipient of the earlier text in digests, all mails that brought it,
    oldest first.
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
    """A test delivery; `target` is an operator's mailbox, or the public address.

    Without a target the channel tests as much as it can.
    """

    number: int
    at: datetime
    target: str = ""


Content = Publication | CaseNotice | TransactionalMail | Digest
"""Content of a channel; transactional mail and digests go by e-mail only."""
Deadline = Callable[[], bool]
"""True when sending must end: asked before EACH row, not once per window."""


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
        """Resolve rows in doubt. DOUBT with `retry_after_s`: ask again later."""

    def abort(self) -> None:
        """Stop waiting for the provider; `send` returns the outcomes received so far."""

    async def probe(self, canary: Canary) -> Outcome:
        """Send a canary by the path of rows, unseen by readers. DELIVERED: the channel works."""


class Channel(Protocol[Rendered]):
    """A channel to recipients.

    `window` rows are sent between two ledger writes, on at most `connections` sessions at once.
    `request_timeout_s` bounds one row's request; after `settle_s` it has no late effect any more.
    """

    name: ChannelName
    connections: int
    window: int
    request_timeout_s: float
    settle_s: float

    def render(self, content: Content) -> Rendered:
        """Render *content* once for all recipients."""

    def session(self) -> AbstractAsyncContextManager[Session[Rendered]]:
        """Open (or reuse) a connection. Raises ChannelError when the provider can't be reached."""

    async def close(self) -> None:
        """Close all connections."""
