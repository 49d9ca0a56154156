"""What became of one mail at the relay: accepted, refused, surely unsent, or in doubt."""

import re
from dataclasses import dataclass
from enum import StrEnum

_ENHANCED = re.compile(rb"\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b")


LET_GO = "stopped"
"""Why a conversation ended that we ended ourselves because the process stops."""


class Fate(StrEnum):
    ACCEPTED = "accepted"  # the relay answered 2xx to the whole mail
    REFUSED = "refused"  # the relay said no, at some stage
    UNSENT = "unsent"  # the end of the mail never left: the relay can't have it
    DOUBT = "doubt"  # the end of the mail left, and no answer came


class Stage(StrEnum):
    """The command that a refusal answers; END is the mail itself."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"


class Hint(StrEnum):
    """What a refusal's words mean where its numbers say too little."""

    NONE = ""
    NO_SUCH_USER = "no such user"
    FULL = "mailbox full"
    POLICY = "policy"
    GREYLISTED = "greylisted"
    TOO_FAST = "too fast"


_HINTS = (
    (Hint.GREYLISTED, re.compile(rb"gr[ae]y-?list", re.IGNORECASE)),
    (
        Hint.POLICY,
        re.compile(
            rb"spam|block|blacklist|denied|policy|relay|reputation|dmarc|\bspf\b|dkim|not permitted"
            rb"|not allowed|authenticat|listed",
            re.IGNORECASE,
        ),
    ),
    (Hint.FULL, re.compile(rb"quota|\bfull\b|over limit|insufficient", re.IGNORECASE)),
    (
        Hint.NO_SUCH_USER,
        re.compile(
            rb"no such|unknown|not found|does ?n[o']t exist|mailbox unavailable"
            rb"|invalid (?:user|recipient|mailbox)",
            re.IGNORECASE,
        ),
    ),
    (
        Hint.TOO_FAST,
        re.compile(
            rb"too many (?:connections|sessions|e?-?mails?|messages|requests|from)"
            rb"|too (?:fast|quickly|much mail)|rate.?limit|throttl|slow down|server busy",
            re.IGNORECASE,
        ),
    ),
)


PARAMETERS = (501, 504, 555)
"""RFC 3461 and 5321: parameters that are wrong, not implemented, or not known."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One mail's fate. `code`, `enhanced` and `hint` say why it was refused, `why` what cut it."""

    fate: Fate
    stage: Stage = Stage.END
    code: int = 0
    enhanced: str = ""
    hint: Hint = Hint.NONE
    why: str = ""

    @property
    def settled(self) -> bool:
        """Whether the relay dealt with this mail; by 421 it only says that it deals with none."""
        return self.fate is Fate.ACCEPTED or (self.fate is Fate.REFUSED and self.code != 421)

    @property
    def no_parameters(self) -> bool:
        """Whether MAIL or RCPT may have been refused for what stood behind the address."""
        early = self.fate is Fate.REFUSED and self.stage in (Stage.MAIL, Stage.RCPT)
        return early and self.code in PARAMETERS and not self.enhanced.startswith("5.1.")

    @property
    def reason(self) -> str:
        """Short and safe to log: numbers, never the relay's own words."""
        words = (str(self.code or ""), self.enhanced, self.words)
        return self.why or " ".join(word for word in words if word)

    @property
    def words(self) -> Hint:
        """The hint, where the numbers say too little: 5.5.x stands for unknown users, too."""
        if self.enhanced.startswith("5.5.") and self.hint is Hint.NO_SUCH_USER:
            return self.hint
        return Hint.NONE if self.enhanced[:1] == str(self.code)[:1] else self.hint


ACCEPTED = Reply(Fate.ACCEPTED)


def unsent(why: str) -> Reply:
    return Reply(Fate.UNSENT, why=why)


def doubt(why: str) -> Reply:
    return Reply(Fate.DOUBT, why=why)


def refused(stage: Stage, text: bytes) -> Reply:
    """Read a reply that is not a yes."""
    found = _ENHANCED.match(text)
    enhanced = found[1].decode() if found else ""
    return Reply(Fate.REFUSED, stage, int(text[:3]), enhanced, hint(text))


def hint(text: bytes) -> Hint:
    return next((name for name, words in _HINTS if words.search(text)), Hint.NONE)
