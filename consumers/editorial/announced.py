"""The interruption of services that readers of an item know of, as the editorial log has it."""

from collections.abc import Sequence
from datetime import datetime

from contracts.desk.shown import known_interruption as shown
from contracts.editorial import Action
from contracts.interruptions.known import KnownInterruption


def known_interruption(acts: Sequence[Action], now: datetime) -> KnownInterruption | None:
    """The interruption that readers know *now*, by the texts that they had; None for no one."""
    texts = {one.hash: one.text.data for one in acts if one.text}
    return shown.known_interruption(acts, texts, now)
