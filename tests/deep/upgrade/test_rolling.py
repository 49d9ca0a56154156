"""Version n and n+1 side by side on one bus: one process upgraded at a time, under load.

`LOA_TEST_MAILS=200000` (`make scale-drills`) sends as many mails meanwhile.
"""

import random
import time
from collections import Counter

import pytest
import structlog

from tests.support.acceptance_probe import AcceptanceProbe
from tests.support.drill import MAILS, PATIENCE_S
from tests.support.loa_process import RelayProcess, wait_until
from tests.support.mixed_loa import MixedServices, Version
from tests.support.split_loa import on_a_server

pytestmark = [pytest.mark.timeout(1800 + 2 * PATIENCE_S), pytest.mark.promise("11.3")]
READERS = 1200
SERVICES = ("gateway", "intake", "dispatch", "deliver-email", "deliver-portal", "sweep", "desk")
"""In this order the door is upgraded before who delivers; on the way back it is older again."""
ITEMS = max(1, -(-MAILS // (2 * READERS * len(SERVICES))))
"""Published before and after each death."""
CHANNELS = ("portal", "email")
EXCUSED_RULES = {"page-unexpected"}
"""Rules by which the version before names pages that only this one writes: parts of a month."""
DELIVERED_S = 300 + PATIENCE_S
log = structlog.get_logger()


@pytest.fixture
def loa(tmp_path, other_server, relay, code_before):
    with on_a_server(MixedServices, tmp_path / "loa", other_server, relay) as loa:
        loa.code_before = code_before
        yield loa


ORDERS = {"up": (Version.BEFORE, Version.TODAY), "back": (Version.TODAY, Version.BEFORE)}


@pytest.mark.parametrize("order", ORDERS)
def test_one_process_at_a_time_loses_nothing_and_sends_nothing_twice_unsaid(loa, relay, order):
    (first, second), chance = ORDERS[order], random.Random(order)
    for name in SERVICES:
        assert loa.launch(name, first).url
    loa.add_unit()
    loa.readers(READERS)
    events: dict[str, str] = {}
    began, probe = time.monotonic(), AcceptanceProbe(loa.door_url, loa.key, "mot-tin")
    probe.start()
    for name in SERVICES:
        publish_items(loa, f"truoc-{name}", events)
        kill_under_load(loa, relay, name, chance)
        loa.launch(name, second)
        publish_items(loa, f"sau-{name}", events)
        assert loa[name].url, "it is ready beside the others"
    log.info("upgraded", order=order, longest_without_acceptance_s=probe.end())
    check_mails(loa, relay, events)
    for event_id in probe.accepted:
        assert loa.trace_of_event(event_id)["channels"]["portal"]["delivered"] == 1
    log.info("delivered", beside=len(probe.accepted), took_s=time.monotonic() - began)
    assert violations(loa, Version.TODAY) == []
    assert {one["rule"] for one in violations(loa, Version.BEFORE)} <= EXCUSED_RULES
    for name, service in loa.services.items():
        assert (name, service.stop()) == (name, 0), service.log.read_text()[-2000:]


def violations(loa: MixedServices, version: Version) -> list[dict[str, str]]:
    """Violations that `loa check --deep` of *version* finds."""
    found: list[dict[str, str]] = loa.ask(version, "check", "--deep", "--json").json["violations"]
    return found


def publish_items(loa: MixedServices, name: str, events: dict[str, str]) -> None:
    for number in range(ITEMS):
        content_id = f"{name}-{number}"
        events[content_id] = loa.publish_surely(content_id, *CHANNELS)


def kill_under_load(
    loa: MixedServices, relay: RelayProcess, name: str, chance: random.Random
) -> None:
    """Kill a service while the mails of the items just published are leaving."""
    aim = relay.count() + READERS * (ITEMS - 1) + chance.randrange(1, READERS // 2)
    wait_until(lambda: relay.count() > aim, "mails under way")
    loa[name].kill()


def check_mails(loa: MixedServices, relay: RelayProcess, events: dict[str, str]) -> None:
    """Each reader has each item, under one Message-ID, and each copy is declared."""
    traces = [loa.trace_of_event(event_id, DELIVERED_S)["channels"] for event_id in events.values()]
    counts = [one["email"] for one in traces]
    assert {(one["expected"], one["delivered"]) for one in counts} == {(READERS, READERS)}
    assert {one["portal"]["delivered"] for one in traces} == {1}
    mails = Counter(relay.accepted_mails())
    lost = READERS * len(events) - len(mails)
    copies, declared = mails.total() - len(mails), sum(one["maybe_duplicate"] for one in counts)
    log.info("mails", sent=len(mails), lost=lost, copies=copies, declared=declared)
    per_reader = Counter(reader for reader, _ in mails)
    assert (len(per_reader), set(per_reader.values())) == (READERS, {len(events)})
    assert copies <= declared
