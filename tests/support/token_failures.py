"""Failures of a process that refreshes its token, or of its call, with the expected results."""

from dataclasses import dataclass

from sandbox.zalo.controls.faults import FaultKind
from tests.support.token_race_worker import BEFORE_NOTE

KEPT, LOST, EITHER = "kept", "lost", "either"
NOTED, ANSWERED, STORED = "zalo.refresh_noted", "zalo.refresh_answered", "zalo.pair_stored"


@dataclass(frozen=True)
class TokenFailure:
    """A failure of the refreshing process, or of its call, and the expected result of the round."""

    name: str
    end: str = KEPT
    at: str = ""
    action: str = ""
    wire: FaultKind | None = None


NO_FAILURE = TokenFailure("nothing")
TOKEN_FAILURES = (
    TokenFailure("dies before it notes anything", KEPT, BEFORE_NOTE, "die"),
    TokenFailure("dies when it has noted", KEPT, NOTED, "die"),
    TokenFailure("dies while Zalo answers", LOST, NOTED, "wire"),
    TokenFailure("dies with the answer in its hands", LOST, ANSWERED, "die"),
    TokenFailure("dies when the pair is stored", KEPT, STORED, "die"),
    TokenFailure("is frozen before the call", KEPT, NOTED, "freeze"),
    TokenFailure("is frozen with the answer in its hands", KEPT, ANSWERED, "freeze"),
    TokenFailure("the request is lost", wire=FaultKind.DROP_BEFORE),
    TokenFailure("a gateway refuses", wire=FaultKind.HTML_BEFORE),
    TokenFailure("the answer is lost", LOST, wire=FaultKind.DROP_AFTER),
    TokenFailure("half an answer comes", LOST, wire=FaultKind.TRUNCATE_AFTER),
    TokenFailure("an empty answer comes", LOST, wire=FaultKind.EMPTY_AFTER),
    TokenFailure("a gateway hides the answer", LOST, wire=FaultKind.HTML_AFTER),
    TokenFailure("the answer is slow", EITHER, wire=FaultKind.SLOW_AFTER),
)
