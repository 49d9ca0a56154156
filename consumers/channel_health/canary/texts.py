"""Texts about a channel's canaries, in both languages."""

from datetime import datetime

from consumers.channel_health.canary.status import CanaryStatus
from consumers.messages import translate
from contracts.errors import Bilingual
from contracts.text.moments import format_for_people, format_moment_in_sentence


def canary_line(canary: CanaryStatus, now: float, *, at_work: bool = True) -> Bilingual:
    """The result of the last canary; without a running Loa it is of the past."""
    if not at_work and canary.state in {"ok", "late", "waiting"}:
        return _past_canary_line(canary, now)
    since, why = _shown_time(canary.since), translate(canary.why)
    ago = _returned_ago(canary.since, now)
    match canary.state:
        case "ok":
            en, vi = (text and f"; {last}: {text}" for last, text in zip(_LAST, why, strict=True))
            return Bilingual(f"canary ok {ago.en}{en}", f"tin thử {ago.vi}{vi}")
        case "late":
            en, vi = (f": {text}" if text else "" for text in why)
            late = f"canary late, none back since {since.en}{en}"
            return Bilingual(late, f"tin thử chậm, chưa có tin nào quay lại từ {since.vi}{vi}")
        case "waiting" if canary.next_at:
            at = _shown_time(canary.next_at)
            en = f"canary: none on its way, the next goes at {at.en}"
            return Bilingual(en, f"tin thử: chưa có tin nào đang đi, tin kế tiếp đi lúc {at.vi}")
        case "waiting":
            return Bilingual("canary on its way, none back yet", "tin thử đang đi, chưa quay lại")
        case _:
            return Bilingual(f"canary {canary.state}", f"tin thử: {_CANARY_WORDS[canary.state]}")


def _past_canary_line(canary: CanaryStatus, now: float) -> Bilingual:
    """The last canary of a Loa that does not run now: no other goes."""
    if canary.state == "ok":
        ago = _returned_ago(canary.since, now)
        vi = f"tin thử {ago.vi}; hiện không có Loa nào chạy"
        return Bilingual(f"canary was ok {ago.en}; no Loa runs now", vi)
    since = _shown_time(canary.since)
    vi = f"tin thử: từ {since.vi} chưa có tin nào quay lại; hiện không có Loa nào chạy"
    return Bilingual(f"canary: none back since {since.en}; no Loa runs now", vi)


_LAST = ("the last one", "lần cuối")
_CANARY_WORDS = {"off": "tắt", "paused": "tạm dừng cùng kênh"}


def _returned_ago(moment: datetime | None, now: float) -> Bilingual:
    minutes = int(max(now - moment.timestamp(), 0) // 60) if moment else 0
    if minutes:
        return Bilingual(f"{minutes} min ago", f"đã quay lại {minutes} phút trước")
    return Bilingual("just now", "vừa quay lại")


def _shown_time(moment: datetime | None) -> Bilingual:
    if moment is None:
        return Bilingual("?", "?")
    return Bilingual(format_for_people(moment), format_moment_in_sentence(moment))
