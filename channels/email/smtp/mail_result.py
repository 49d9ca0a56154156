"""Result of one mail at the relay: accepted, refused, unsent, or in doubt."""

import re
from dataclasses import dataclass, replace
from enum import StrEnum

_ENHANCED = re.compile(rb"\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})\b")
STOPPED = "stopped"
"""Why a conversation ended that we ended ourselves because the process stops."""


class MailStatus(StrEnum):
    ACCEPTED = "accepted"  # the relay answered 2xx to the whole mail
    REFUSED = "refused"  # the relay said no, at some stage
    UNSENT = "unsent"  # the end of the mail never left: the relay can't have it
    DOUBT = "doubt"  # the end of the mail left, and no answer came


class Stage(StrEnum):
    """The command that a refusal answers; END is the end of the mail's data."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    END = "end"


class RefusalHint(StrEnum):
    """Meaning of a refusal's words where its numbers are too vague."""

    NONE = ""
    NO_SUCH_USER = "no such user"
    TOO_LARGE = "too large"
    FULL = "mailbox full"
    POLICY = "policy"
    GREYLISTED = "greylisted"
    TOO_FAST = "too fast"
    MESSAGE = "message refused"


_WORDS = {
    RefusalHint.TOO_LARGE: rb"(?:mail|message)[a-z ]{0,20}too (?:large|big|long)"
    rb"|(?:mail|message) size[a-z ]{0,20}(?:exceed|limit)|exceeds[a-z ]{0,30}(?:mail|message) size",
    RefusalHint.GREYLISTED: rb"gr[ae]y-?list",
    RefusalHint.POLICY: rb"spam|block|blacklist|denied|policy|relay|reputation|dmarc|\bspf\b|dkim"
    rb"|not permitted|not allowed|authenticat|listed",
    RefusalHint.FULL: rb"quota|\bfull\b|over limit|insufficient",
    RefusalHint.NO_SUCH_USER: rb"no such|unknown|not found|does ?n[o']t exist|mailbox unavailable"
    rb"|invalid (?:user|recipient|mailbox)",
    RefusalHint.TOO_FAST: rb"too many (?:connections|sessions|e?-?mails?|messages|requests|from)"
    rb"|too (?:fast|quickly|much mail)|rate.?limit|throttl|slow down|server busy",
}
"""The first hint whose words occur counts."""
_HINTS = {hint: re.compile(words, re.IGNORECASE) for hint, words in _WORDS.items()}
_TELLING_HINTS = (RefusalHint.TOO_LARGE, RefusalHint.POLICY, RefusalHint.GREYLISTED)
_VAGUE_CODES = ("5.2.0", "5.3.0")
"""RFC 3463: some trouble of the mailbox, or of the mail system."""
_TOO_MANY_CODE = "4.5.3"
"""RFC 3463: more recipients than the relay takes at once."""
EXCEEDED_STORAGE = 552
"""RFC 5321, 1870: at RCPT a full mailbox, elsewhere a mail that is too large."""
_PARAMETER_ERRORS = (501, 504, 555)
"""RFC 3461 and 5321: parameters that are wrong, not implemented, or not known."""


@dataclass(frozen=True, slots=True)
class MailResult:
    """Result of one mail; `code`, `enhanced`, `hint` say why refused, `cause` why cut off."""

    status: MailStatus
    stage: Stage = Stage.END
    code: int = 0
    enhanced: str = ""
    hint: RefusalHint = RefusalHint.NONE
    cause: str = ""

    @property
    def is_settled(self) -> bool:
        """Whether the relay handled this mail; 421 only says that the relay handles none."""
        is_refused = self.status is MailStatus.REFUSED and self.code != 421 and not self.is_ours
        return is_refused or self.status is MailStatus.ACCEPTED

    @property
    def is_ours(self) -> bool:
        """Whether we refused the mail ourselves, without a word to the relay."""
        return self.status is MailStatus.REFUSED and bool(self.cause)

    @property
    def is_temporary(self) -> bool:
        """Whether the relay said "not now"."""
        return self.status is MailStatus.REFUSED and 400 <= self.code < 500 and not self.is_ours

    @property
    def ends_session(self) -> bool:
        """Whether the relay may only have enough of this connection: 4.5.3, or a plain 452."""
        said = self.enhanced == _TOO_MANY_CODE or (self.code == 452 and not self.enhanced)
        return self.is_temporary and self.stage in (Stage.MAIL, Stage.RCPT) and said

    @property
    def refuses_parameters(self) -> bool:
        """Whether MAIL or RCPT may have been refused for its parameters."""
        early = self.status is MailStatus.REFUSED and self.stage in (Stage.MAIL, Stage.RCPT)
        return early and self.code in _PARAMETER_ERRORS and not self.enhanced.startswith("5.1.")

    @property
    def reason(self) -> str:
        """Short reason, safe to log: numbers, never the relay's own words."""
        words = (str(self.code or ""), self.enhanced, self.effective_hint)
        return self.cause or " ".join(word for word in words if word)

    @property
    def effective_hint(self) -> RefusalHint:
        """Hint where the numbers are too vague; 5.5.x may also mean an unknown user."""
        if self.enhanced.startswith("5.5.") and self.hint is RefusalHint.NO_SUCH_USER:
            return self.hint
        if self.hint is RefusalHint.MESSAGE:
            return self.hint
        if self.enhanced[:1] == str(self.code)[:1]:
            return RefusalHint.NONE
        is_full = self.code == EXCEEDED_STORAGE and self.stage is Stage.RCPT
        return RefusalHint.FULL if is_full and self.hint is RefusalHint.NONE else self.hint


ACCEPTED = MailResult(MailStatus.ACCEPTED)
SESSION_FULL = MailResult(MailStatus.UNSENT, cause="session full")
NOT_YET = MailResult(MailStatus.UNSENT, cause="not its turn yet")


def exceeds_limit(size: int, limit: int, *, is_final: bool) -> MailResult:
    """Result of a mail that is larger than the relay takes, before it travels."""
    code, enhanced = (552, "5.3.4") if is_final else (452, "4.3.4")
    cause = f"the mail has {size} bytes, the relay takes {limit}"
    return MailResult(MailStatus.REFUSED, Stage.MAIL, code, enhanced, cause=cause)


def parse_refusal(stage: Stage, reply: bytes) -> MailResult:
    """Result of a mail whose command or data got a negative *reply*."""
    match = _ENHANCED.match(reply)
    enhanced = match[1].decode() if match else ""
    hint = next((hint for hint, words in _HINTS.items() if words.search(reply)), RefusalHint.NONE)
    result = MailResult(MailStatus.REFUSED, stage, int(reply[:3]), enhanced, hint)
    return replace(result, hint=RefusalHint.MESSAGE) if _is_vague_about_message(result) else result


def _is_vague_about_message(result: MailResult) -> bool:
    """Whether the relay refused a whole mail for good, with a code that names no cause.

    The words of the refusal prove nothing then: RFC 5321 has servers say "mailbox unavailable" for
    policy, too.
    """
    if result.stage is not Stage.END or not 550 <= result.code <= 554:
        return False
    if result.enhanced.startswith("5."):
        return result.enhanced.startswith("5.0.") or result.enhanced in _VAGUE_CODES
    is_size = result.code == EXCEEDED_STORAGE and result.hint is RefusalHint.NONE
    return not is_size and result.hint not in _TELLING_HINTS
