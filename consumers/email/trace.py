"""Timeline entries for a publication's mail in `loa trace`: refused, returned, stopped."""

from collections import Counter
from collections.abc import Iterator, Mapping

from channels.email import status_codes
from consumers.email.bounce_monitor import MAX_CODES
from consumers.email.bounce_records import BounceTotals
from consumers.email.bounce_stops import BounceStop
from contracts import keys
from contracts.base.times import utc_time
from contracts.delivery import ChannelName
from contracts.trace import TimelineEntry

_RELEASE_HINT = "`loa mail brakes release {item} --by NAME` lets it go on"
_WITHDRAW_HINT = "`loa withdraw {item} --reason WHY` ends it"


def bounce_entries(totals: BounceTotals) -> Iterator[TimelineEntry]:
    """Yield the entries for refusals, bounces and complaints, at the time of the last one."""
    if totals.refused:
        count, codes = totals.refused.total(), most_frequent_codes(totals.refused)
        yield _email_entry(totals.at, "refused_at_once", f"{count} refused at once: {codes}")
    came_back = []
    if totals.bounced:
        came_back.append(f"{totals.bounced} came back: {most_frequent_codes(totals.codes)}")
    if totals.complained:
        came_back.append(f"{totals.complained} complained")
    if came_back:
        yield _email_entry(totals.at, "came_back", "; ".join(came_back))


def stop_entries(content_id: str, stop: BounceStop | None) -> Iterator[TimelineEntry]:
    """Yield the entries for a bounce stop, with the commands that decide about it."""
    if stop is None:
        return
    share = f"{stop.failed} of {stop.mails} refused or come back ({stop.percent} %)"
    codes = f": {most_frequent_codes(stop.codes)}" if stop.codes else ""
    cause = f"by the bounce brake, {share}{codes}"
    match stop.state:
        case "stopped":
            hints = _command_hints(content_id)
            yield _email_entry(stop.at, "stopped", f"stopped {cause}; now: {hints}")
        case "released":
            yield _email_entry(stop.at, "stopped", cause)
            yield _email_entry(stop.decided or stop.at, "goes_on", f"decided by {stop.by}")
        case "ended":
            yield _email_entry(stop.at, "stopped", f"{cause}; ended since")
        case "warned":
            yield _email_entry(stop.at, "warned", cause)


def _command_hints(content_id: str) -> str:
    """Return the commands that an operator can use; a digest can't be withdrawn."""
    hints = (_RELEASE_HINT,) if keys.is_digest(content_id) else (_RELEASE_HINT, _WITHDRAW_HINT)
    return ", ".join(hints).format(item=content_id)


def most_frequent_codes(codes: Mapping[str, int]) -> str:
    most_frequent = Counter(codes).most_common(MAX_CODES)
    return ", ".join(f"{count} x {status_codes.describe(code)}" for code, count in most_frequent)


def _email_entry(at: float, event: str, detail: str) -> TimelineEntry:
    return TimelineEntry(at=utc_time(at), event=event, channel=ChannelName.EMAIL, detail=detail)
