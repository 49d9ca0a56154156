"""The contracts of Loa: events, identity keys, records, and errors that name the wrong field.

Any package may import this one; other systems get it with `loa-client`. It imports pydantic and
the standard library only, and does no I/O but reading its own files; `contracts.testing` alone
imports pytest. Call functions through their modules: `keys.event_id(...)`,
`envelope.decode(...)`, `events.check(...)`, `publication.encode(...)`.
"""

from contracts import envelope, events, keys, publication, subjects, text
from contracts.base.fields import Contract
from contracts.case import CaseUpdated
from contracts.cloudevent import CloudEvent
from contracts.content import Attachment, Corrected, Cover, Link, Submitted, Withdrawn
from contracts.delivery import OPEN, BatchKey, ChannelName, Lane, PlanKey, Status
from contracts.errors import (
    Conflict,
    ContractError,
    FieldError,
    Forbidden,
    Invalid,
    RateLimited,
    TooLarge,
    Unauthorized,
    Unavailable,
    Unreadable,
    UnsupportedMedia,
    explain,
)
from contracts.errors import field_error as fault
from contracts.events import CASE_UPDATED, CORRECTED, KINDS, SUBMITTED, WITHDRAWN
from contracts.publication import Publication
from contracts.subscriptions.subscriber import Subscriber, matches
from contracts.vocabulary import DEFAULT, Vocabulary

__all__ = [
    "CASE_UPDATED",
    "CORRECTED",
    "DEFAULT",
    "KINDS",
    "OPEN",
    "SUBMITTED",
    "WITHDRAWN",
    "Attachment",
    "BatchKey",
    "CaseUpdated",
    "ChannelName",
    "CloudEvent",
    "Conflict",
    "Contract",
    "ContractError",
    "Corrected",
    "Cover",
    "FieldError",
    "Forbidden",
    "Invalid",
    "Lane",
    "Link",
    "PlanKey",
    "Publication",
    "RateLimited",
    "Status",
    "Submitted",
    "Subscriber",
    "TooLarge",
    "Unauthorized",
    "Unavailable",
    "Unreadable",
    "UnsupportedMedia",
    "Vocabulary",
    "Withdrawn",
    "envelope",
    "events",
    "explain",
    "fault",
    "keys",
    "matches",
    "publication",
    "subjects",
    "text",
]
