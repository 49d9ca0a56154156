"""Late callbacks are named, and what waits for the endpoint itself is not."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from channels.zalo.settings import ZaloSettings
from consumers.callbacks import late
from consumers.callbacks.check import CallbackRules
from consumers.callbacks.endpoints import (
    Endpoint,
    EndpointStore,
    ListedEndpoint,
    endpoint_key,
    progress_key,
)
from consumers.callbacks.follow import StatusFollower, StatusPositions
from consumers.callbacks.late import LATE_AFTER, late_since, untold_since
from consumers.callbacks.progress import (
    MAX_HELD,
    PROBES_S,
    Disabled,
    Progress,
    Span,
    Waiting,
    enable,
)
from consumers.callbacks.sources import all_sources
from consumers.callbacks.status_store import StatusStore
from consumers.check.context import CheckContext
from consumers.check.findings import load_rules
from consumers.dead_letters.store import DeadLetterStore
from consumers.status import facts
from consumers.status.facts import FactsReader
from contracts import subjects
from contracts.facts.content_status import (
    STATUS_POSITIONS_KEY,
    ContentStatus,
    StatusKind,
    status_fact,
)
from producers.bus import Denied, records
from tests.support.clock import FakeClock
from tests.support.dead_letters import bury

UNIT, ID = "van-phong-bo", "1f2e3d4c"
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LATE, SOON = NOW - LATE_AFTER, NOW - LATE_AFTER + timedelta(seconds=1)
PROBED = LATE - timedelta(seconds=PROBES_S[0])
NEW, TRIED = Waiting(seqs=(1,), since=LATE, due=LATE), timedelta(hours=5)
DOWN = {str(n): Waiting(seqs=(n,), tries=1, since=LATE, due=NOW + TRIED) for n in range(1, 6)}
NEVER = datetime.max.replace(tzinfo=UTC)
FULL = {"tin": Waiting(seqs=tuple(range(MAX_HELD)), tries=1, since=LATE, due=NEVER)}


def listed(**fields: object) -> ListedEndpoint:
    known = {"spans": (Span(next=1),)} | fields
    endpoint = Endpoint(origin="https://a.vn", url="", contact="", secrets=(), created=LATE)
    progress = Progress.model_validate(known)
    return ListedEndpoint(unit=UNIT, id=ID, endpoint=endpoint, progress=progress, revision=1)


@pytest.mark.parametrize(
    ("fields", "since"),
    [
        ({}, None),
        ({"waiting": {"tin": NEW}}, LATE),
        ({"waiting": {"tin": NEW.model_copy(update={"due": SOON})}}, None),
        ({"waiting": {"tin": NEW}, "tried_at": LATE}, LATE),
        ({"waiting": {"tin": NEW}, "tried_at": SOON}, None),
        ({"waiting": {"tin": NEW}, "paused_until": SOON}, None),
        ({"waiting": {"tin": NEW}, "disabled": Disabled(at=LATE, reason="gone")}, None),
        ({"waiting": DOWN, "failures": 5, "tried_at": PROBED}, PROBED),
        ({"waiting": DOWN, "failures": 5, "tried_at": LATE}, None),
    ],
)
async def test_what_is_due_and_not_tried_for_five_minutes_is_late(bus, fields, since):
    found = await late_since(StatusStore(bus), listed(**fields), NOW)
    assert found == since


async def test_an_endpoint_that_was_enabled_a_moment_ago_is_not_late(bus):
    gone = listed(
        spans=(Span(next=2),), waiting={"tin": NEW}, disabled=Disabled(at=LATE, reason="gone")
    )
    one = gone.model_copy(update={"progress": enable(gone.progress, NOW)})
    assert await late_since(StatusStore(bus), one, NOW + timedelta(seconds=1)) is None
    assert await late_since(StatusStore(bus), one, NOW + LATE_AFTER) == NOW


async def tell(bus, *kinds: StatusKind) -> datetime:
    """Facts of an item; when the first was stored."""
    now, statuses = datetime.now(UTC), StatusStore(bus)
    about = {"unit": UNIT, "content_id": "tin", "revision": 1, "at": now}
    facts = [status_fact(ContentStatus(kind=kind, **about)) for kind in kinds]
    await statuses.tell(facts)
    return await anext(one.at async for one in statuses.scan(">"))


async def test_what_was_not_taken_for_five_minutes_is_late_unless_there_is_no_room(bus):
    statuses, at = StatusStore(bus), await tell(bus, StatusKind.ACCEPTED)
    now = at + LATE_AFTER
    assert await late_since(statuses, listed(), now) == at
    assert await late_since(statuses, listed(), now - timedelta(microseconds=1)) is None
    assert await late_since(statuses, listed(spans=(Span(next=2),)), now) is None
    assert await late_since(statuses, listed(waiting=FULL), now) is None
    other = listed()
    chosen = other.endpoint.model_copy(update={"kinds": (StatusKind.REFUSED,)})
    assert await late_since(statuses, other.model_copy(update={"endpoint": chosen}), now) is None


async def test_no_more_facts_are_looked_at_than_say_whether_one_is_late(bus, monkeypatch):
    at = await tell(bus, StatusKind.ACCEPTED, StatusKind.RELEASED, StatusKind.DELIVERED)
    read, genuine = list[int](), StatusStore.genuine

    async def count(self, message):
        read.append(message.seq)
        return await genuine(self, message)

    monkeypatch.setattr(StatusStore, "genuine", count)
    assert await late_since(StatusStore(bus), listed(), at + 2 * LATE_AFTER) == at
    assert read == [1], "the first one that is wanted is the oldest"
    monkeypatch.setattr(late, "_MOST_READ", 1)
    other = listed()
    chosen = other.endpoint.model_copy(update={"kinds": (StatusKind.DELIVERED,)})
    other = other.model_copy(update={"endpoint": chosen})
    assert await late_since(StatusStore(bus), other, at + 2 * LATE_AFTER) is None
    assert read == [1, 1, 2]


async def test_a_fact_behind_an_item_that_waits_for_its_next_try_is_not_late(bus):
    at = await tell(bus, StatusKind.ACCEPTED, StatusKind.RELEASED)
    held = Waiting(seqs=(1,), tries=3, since=at, due=at + TRIED)
    one = listed(waiting={"tin": held}, spans=(Span(next=2),))
    assert await late_since(StatusStore(bus), one, at + LATE_AFTER + timedelta(minutes=1)) is None


async def add(bus, **fields: object) -> None:
    bucket, one = EndpointStore(bus).bucket, listed(**fields)
    await records.write(bucket, progress_key(UNIT, ID), one.progress, 0)
    await records.write(bucket, endpoint_key(UNIT, ID), one.endpoint, 0)


async def follow(bus) -> None:
    await StatusFollower(StatusStore(bus), all_sources(bus), time.time).follow()


def rules(bus, at: datetime, running_since: float = 0.0) -> CallbackRules:
    clock = FakeClock(at.timestamp())
    context = CheckContext(bus, clock, running_since=running_since, recheck_after_s=0.0)
    return CallbackRules(context)


async def test_loa_check_names_a_late_endpoint_unless_loa_began_a_moment_ago(bus):
    at = await tell(bus, StatusKind.ACCEPTED)
    await add(bus)
    await follow(bus)
    later = at + LATE_AFTER + timedelta(seconds=1)
    [found] = await rules(bus, later).violations()
    assert (found.rule, found.key) == ("callback-late", f"callbacks.{UNIT}.{ID}")
    assert found.rule in load_rules() and "https://a.vn" in found.detail and "+07" in found.detail
    assert await rules(bus, later, running_since=at.timestamp() + 2).violations() == []
    assert await rules(bus, at).violations() == []


async def test_loa_status_names_a_late_endpoint(bus):
    at = await tell(bus, StatusKind.ACCEPTED)
    await add(bus)
    reader = FactsReader(bus, ZaloSettings(), FakeClock((at + 2 * LATE_AFTER).timestamp()))
    [found] = await reader.failing_endpoints()
    assert (found.name, found.since, found.is_late) == (f"{UNIT}.{ID}", at, True)


async def test_a_process_that_may_not_read_facts_still_names_failing_endpoints(bus, monkeypatch):
    await add(bus, waiting={"tin": DOWN["1"]})
    reader = FactsReader(bus, ZaloSettings(), FakeClock(NOW.timestamp()))

    async def deny(*_):
        raise Denied("not for this process")

    for name in ("late_since", "untold_since"):
        monkeypatch.setattr(facts, name, deny)
    [found] = await reader.failing_endpoints()
    assert (found.since, found.is_late, found.is_disabled) == (LATE, False, False)
    assert await reader.untold_since() is None


async def test_loa_check_warns_of_an_endpoint_that_is_called_no_more(bus):
    await add(bus, disabled=Disabled(at=LATE, reason="gone"))
    assert await rules(bus, NOW).violations() == []
    [warning] = await rules(bus, NOW).warnings()
    assert (warning.rule, warning.key) == ("callback-disabled", f"callbacks.{UNIT}.{ID}")
    assert warning.rule in load_rules() and "gone" in warning.detail


async def test_what_became_of_items_and_was_not_told_is_named(bus):
    await bury(DeadLetterStore(bus), b"{")
    assert await untold_since(bus) is None, "facts were never followed here"
    await follow(bus)
    assert await untold_since(bus) is None
    await bury(DeadLetterStore(bus), b"{}")
    since = await untold_since(bus)
    [found] = await rules(bus, since + LATE_AFTER + timedelta(seconds=1)).violations()
    assert (found.rule, found.key) == ("units-untold", "STATUS") and found.rule in load_rules()
    await follow(bus)
    assert await untold_since(bus) is None


async def test_units_with_endpoints_are_untold_while_no_process_ever_followed(bus):
    await add(bus)
    assert await untold_since(bus) == LATE
    await follow(bus)
    assert await untold_since(bus) is None


async def test_what_was_so_before_facts_were_first_told_is_not_untold(bus):
    since = datetime.now(UTC) + timedelta(hours=1)
    await bury(DeadLetterStore(bus), b"{")
    control = bus.bucket(subjects.CONTROL.name)
    await records.write(control, STATUS_POSITIONS_KEY, StatusPositions(since=since), 0)
    assert await untold_since(bus) == since
