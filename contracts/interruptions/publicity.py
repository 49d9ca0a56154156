"""Whether an interruption is announced to the public, as Decree 224/2026/ND-CP, Article 13, wants.

The portal is open to all readers; a mail has its subscribers, and Zalo its followers.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol

from contracts.delivery import ChannelName
from contracts.errors import FieldError, field_error
from contracts.interruptions.interruption import Interruption

_PUBLIC = frozenset({"cong-dan", "to-chuc"})
"""The audiences whom services are for; all others work for the State."""


class Announces(Protocol):
    """The fields of a text that decide who reads it, and until when."""

    @property
    def interruption(self) -> Interruption | None: ...

    @property
    def channels(self) -> Sequence[str]: ...

    @property
    def audiences(self) -> Sequence[str]: ...

    @property
    def expires_at(self) -> datetime | None: ...


def find_hidden(said: Announces) -> list[FieldError]:
    """Reasons that keep the announcement of an interruption from the public.

    Once services work again, the text announces nothing.
    """
    stated = said.interruption
    return [] if stated is None or stated.resumed_at else list(_hidden(said, stated))


def _hidden(said: Announces, stated: Interruption) -> Iterator[FieldError]:
    if ChannelName.PORTAL not in said.channels:
        yield field_error("data.channels", "interruption_off_portal")
    if said.audiences and not _PUBLIC.intersection(said.audiences):
        yield field_error("data.audiences", "interruption_not_public")
    if said.expires_at and said.expires_at < stated.expected_recovery_at:
        yield field_error("data.expires_at", "interruption_expires")
