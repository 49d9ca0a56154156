"""Check events and publish them to Loa, the notification platform of the Ministry of Home Affairs.

The names listed here are kept, and those of `loa_client.testing`, `loa_client.keys` and
`loa_client.errors`; other modules may change with each version.
"""

from contracts import keys
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Corrected, Submitted, Withdrawn
from contracts.envelope import from_structured
from contracts.errors import (
    Conflict,
    ContractError,
    FieldError,
    FieldWarning,
    Forbidden,
    Invalid,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
)
from contracts.events import Event
from contracts.testing import ContractBroken, check_event, sample
from contracts.trace import Status as EventStatus
from contracts.trials.dry_run import DryRun
from contracts.vocabulary import Vocabulary
from loa_client.http_publisher import HttpPublisher
from loa_client.sync_publisher import SyncPublisher
from producers.access import Access
from producers.publisher import Accepted, Drained, Publisher, Spooled

__all__ = [
    "Accepted",
    "Access",
    "CaseUpdated",
    "CloudEvent",
    "Conflict",
    "ContractBroken",
    "ContractError",
    "Corrected",
    "Drained",
    "DryRun",
    "Event",
    "EventStatus",
    "FieldError",
    "FieldWarning",
    "Forbidden",
    "HttpPublisher",
    "Invalid",
    "NotFound",
    "Publisher",
    "RateLimited",
    "Spooled",
    "Submitted",
    "SyncPublisher",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "Unreadable",
    "UnsupportedMedia",
    "Vocabulary",
    "Withdrawn",
    "check_event",
    "from_structured",
    "keys",
    "sample",
]
