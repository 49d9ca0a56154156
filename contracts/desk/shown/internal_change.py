"""A text that changes the plan of a campaign, and nothing that readers have."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from contracts.content import Submitted
from contracts.publication import Publication

_OF_REVISION = frozenset({"revision", "corrects_revision", "reason"})
_RELEASED = (Submitted.model_fields.keys() & Publication.model_fields.keys()) - _OF_REVISION
"""The fields of a text that readers have, but for what tells revisions apart."""
PLANNING = frozenset({"campaign", "campaign_plan", "campaign_entry"})
"""The fields of a text that takes part in a campaign."""


def is_internal_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether *after*, a text for an item that is out with *before*, is not released.

    It has the same released fields, and is a campaign's or another planned item of one. A text of
    another item is released also where it says the same: its sender may want readers to have its
    reason.
    """
    old, new = _read(before), _read(after)
    if old is None or new is None:
        return False
    is_planning = new.campaign_plan is not None or old.campaign_entry != new.campaign_entry
    return is_planning and old.model_dump(include=_RELEASED) == new.model_dump(include=_RELEASED)


def _read(data: Mapping[str, Any]) -> Submitted | None:
    """A text as its event carries it; None for an unfinished one."""
    try:
        return Submitted.model_validate(data)
    except ValidationError:
        return None
