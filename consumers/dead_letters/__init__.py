"""Dead letters: messages that could not be processed, whole, with reason and origin.

A letter stays in its stream for ever; what became of it is a history beside it (bucket `control`,
key `dead.<id>`), so nothing leaves without a trace. `id` is the letter's first place in DEAD.
"""

from consumers.dead_letters.decisions import (
    DeadLetterDecisions,
    Operator,
    OutgoingMessage,
    check_corrected,
)
from consumers.dead_letters.letter import DeadLetter, Decision, MessageOrigin
from consumers.dead_letters.selection import DeadLetterQuery
from consumers.dead_letters.store import INLINE_BYTES, LETTER_BYTES, DeadLetterStore

__all__ = [
    "INLINE_BYTES",
    "LETTER_BYTES",
    "DeadLetter",
    "DeadLetterDecisions",
    "DeadLetterQuery",
    "DeadLetterStore",
    "Decision",
    "MessageOrigin",
    "Operator",
    "OutgoingMessage",
    "check_corrected",
]
