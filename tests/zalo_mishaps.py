"""What may happen to a process that renews its token, or to its call, and how that has to end."""

from dataclasses import dataclass

from channels.zalo.sandbox.faults import Kind
from tests.zalo_racer import BEFORE_NOTE

KEPT, LOST, EITHER = "kept", "lost", "either"
NOTED, ANSWERED, STORED = "zalo.refresh_noted", "zalo.refresh_answered", "zalo.pair_stored"


@dataclass(frozen=True)
class Mishap:
    """What happens to the process that refreshes, or to its call, and how the round has to end."""

    name: str
    end: str = KEPT
    at: str = ""
    deed: str = ""
    wire: Kind | None = None


NONE = Mishap("nothing")
MISHAPS = (
    Mishap("dies before it notes anything", KEPT, BEFORE_NOTE, "die"),
    Mishap("dies when it has noted", KEPT, NOTED, "die"),
    Mishap("dies while Zalo answers", LOST, NOTED, "wire"),
    Mishap("dies with the answer in its hands", LOST, ANSWERED, "die"),
    Mishap("dies when the pair is stored", KEPT, STORED, "die"),
    Mishap("is frozen before the call", KEPT, NOTED, "freeze"),
    Mishap("is frozen with the answer in its hands", KEPT, ANSWERED, "freeze"),
    Mishap("the request is lost", wire=Kind.DROP_BEFORE),
    Mishap("a gateway refuses", wire=Kind.HTML_BEFORE),
    Mishap("the answer is lost", LOST, wire=Kind.DROP_AFTER),
    Mishap("half an answer comes", LOST, wire=Kind.TRUNCATE_AFTER),
    Mishap("an empty answer comes", LOST, wire=Kind.EMPTY_AFTER),
    Mishap("a gateway hides the answer", LOST, wire=Kind.HTML_AFTER),
    Mishap("the answer is slow", EITHER, wire=Kind.SLOW_AFTER),
)
