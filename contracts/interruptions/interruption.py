"""A planned interruption of services, with the facts that its announcement has to state.

Decree 224/2026/ND-CP, Article 13: what is interrupted, when, and when it is expected to work again.
"""

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import (
    NO_DUPLICATES,
    NON_EMPTY,
    NON_EMPTY_UNIQUE_ITEMS,
    Contract,
    Instant,
    Line,
    Line150,
)

TOPIC = "thong-bao-tam-ngung-dich-vu"
"""The topic of announcements of interruptions."""
_MAX_SERVICES = 20
_Services = Annotated[
    tuple[Line150, ...],
    Field(max_length=_MAX_SERVICES),
    NON_EMPTY,
    NO_DUPLICATES,
    NON_EMPTY_UNIQUE_ITEMS,
]


class Interruption(Contract):
    """Services that will not work for a time. A correction states a change, and the end."""

    services: _Services
    """The names of the services, as users know them."""
    begins_at: Instant
    """From when on they do not work; at least 7 working days after the announcement."""
    expected_recovery_at: Instant
    """When they are expected to work again; later than `begins_at`."""
    cause: Line
    """Why they are interrupted."""
    alternative: Line
    """The advice for users meanwhile."""
    force_majeure: Line | None = None
    """The force majeure for which the announcement comes later than 7 working days ahead."""
    resumed_at: Instant | None = None
    """When they worked again, once they do; later than `begins_at`."""

    @field_validator("expected_recovery_at", "resumed_at")
    @classmethod
    def _check_order(cls, ends: Instant | None, info: ValidationInfo) -> Instant | None:
        begins = info.data.get("begins_at")
        if ends and begins and ends <= begins:
            raise PydanticCustomError("not_after", "too early", {"other": "begins_at"})
        return ends
