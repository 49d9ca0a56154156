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
from consumers.dead_letters.letter import DeadLetter, DeadLetterQuery, Decision, MessageOrigin
from consumers.dead_letters.store import DeadLetterStore

__all__ = [
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
