"""How long what is kept. `retention.toml` ships with defaults, which an operator may replace."""

import tomllib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from contracts.base.fields import Contract
from contracts.errors import Invalid, Unreadable, explain, field_error

RetentionKind = Literal[
    "audit", "ledger", "security_logs", "receipts", "letters", "drafts", "failed_addresses",
    "former_readers", "sessions", "proposals", "typed", "trials", "unused_accounts", "uploads",
    "callbacks",
]  # fmt: skip
_LONGEST = 36_500
_Days = Annotated[int, Field(strict=True, ge=1, le=_LONGEST)]
_Weeks = Annotated[int, Field(strict=True, ge=7, le=_LONGEST)]
"""Longer than links in letters are valid, and than a notice is tried again."""
_Years = Annotated[int, Field(strict=True, ge=365, le=_LONGEST)]


class Retention(Contract):
    """Days by kind; a misspelt or missing one is refused."""

    model_config = ConfigDict(extra="forbid")

    audit: _Years
    ledger: _Years
    security_logs: _Days
    receipts: _Weeks
    letters: _Weeks
    drafts: _Weeks
    failed_addresses: _Weeks
    former_readers: _Days
    sessions: _Days
    proposals: _Days = 1
    """They lie among the sessions; files of earlier versions do not name them."""
    typed: _Days = 14
    """Files of earlier versions do not name it."""
    trials: _Days = 30
    """Files of earlier versions do not name them."""
    unused_accounts: _Days
    uploads: _Weeks = 30
    """Files of earlier versions do not name them."""
    callbacks: _Weeks = 30
    """Files of earlier versions do not name them."""

    @field_validator("proposals")
    @classmethod
    def _end_with_sessions(cls, days: int, info: ValidationInfo) -> int:
        if days > info.data.get("sessions", _LONGEST):
            raise PydanticCustomError("outlives_sessions", "more than sessions")
        return days

    @classmethod
    def parse(cls, toml_text: str) -> Self:
        """Read an operator's file. Raises Unreadable or Invalid, naming the entry."""
        try:
            return cls.model_validate(tomllib.loads(toml_text))
        except tomllib.TOMLDecodeError as error:
            raise Unreadable(field_error("retention", "not_toml", detail=error)) from error
        except ValidationError as error:
            raise Invalid(*explain(error)) from error

    def span(self, kind: RetentionKind) -> timedelta:
        return timedelta(days=getattr(self, kind))

    def stream_ages(self) -> Mapping[str, timedelta]:
        """The age of what streams and buckets forget by themselves."""
        return {stream: self.span(kind) for stream, kind in AGED_STREAMS.items()}


AGED_STREAMS: Mapping[str, RetentionKind] = {
    "RECEIPTS": "receipts",
    "KV_notices": "letters",
    "KV_sessions": "sessions",
    "KV_kept_texts": "typed",
    "KV_trials": "trials",
    "STATUS": "callbacks",
    "CALLBACKS": "callbacks",
}
"""Streams whose age carries a kind out."""
DEFAULT = Retention.parse((Path(__file__).parents[1] / "retention.toml").read_text("utf-8"))
