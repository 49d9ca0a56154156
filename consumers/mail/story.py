"""What `loa trace` tells of a publication's mail: refused, come back, stopped."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from channels.email import meanings
from consumers.mail.books import Sum
from consumers.mail.brake import CODES_MAX
from consumers.mail.brakes import Brake
from consumers.story import Moment
from contracts import keys
from contracts.delivery import ChannelName

RELEASE = "`loa mail brakes release {item} --by NAME` lets it go on"
WITHDRAW = "`loa withdraw {item} --reason WHY` ends it"


def came_back(back: Sum) -> Iterator[Moment]:
    """What our relay, readers' servers and readers said, at the last time that they did."""
    if back.refused:
        count = sum(back.refused.values())
        yield moment(back.at, "refused_at_once", f"{count} refused at once: {often(back.refused)}")
    if back.bounced or back.complained:
        said = f"{back.bounced} came back: {often(back.codes)}" if back.bounced else ""
        complaints = f"{back.complained} complained" if back.complained else ""
        yield moment(back.at, "came_back", "; ".join(filter(None, (said, complaints))))


def braked(content_id: str, one: Brake | None) -> Iterator[Moment]:
    """What the bounce brake made of it; where it stopped, what a person can do."""
    if one is None:
        return
    share = f"{one.failed} of {one.mails} refused or come back ({one.percent} %)"
    codes = f": {often(one.codes)}" if one.codes else ""
    match one.state:
        case "stopped":
            said = f"stopped by the bounce brake, {share}{codes}; now: {ways(content_id)}"
            yield moment(one.at, "stopped", said)
        case "released":
            yield moment(one.at, "stopped", f"by the bounce brake, {share}{codes}")
            yield moment(one.decided or one.at, "goes_on", f"decided by {one.by}")
        case "ended":
            yield moment(one.at, "stopped", f"by the bounce brake, {share}{codes}; ended since")
        case "warned":
            yield moment(one.at, "warned", f"by the bounce brake, {share}{codes}")


def ways(content_id: str) -> str:
    """What a person can do; a digest is no item that could be withdrawn."""
    known = (RELEASE,) if keys.is_digest(content_id) else (RELEASE, WITHDRAW)
    return ", ".join(known).format(item=content_id)


def often(codes: Mapping[str, int]) -> str:
    """The most frequent ones, with what they mean."""
    found = Counter(codes).most_common(CODES_MAX)
    return ", ".join(f"{count} x {meanings.told(code)}" for code, count in found)


def moment(at: float, event: str, detail: str) -> Moment:
    when = datetime.fromtimestamp(at, UTC)
    return Moment(at=when, event=event, channel=ChannelName.EMAIL, detail=detail)
