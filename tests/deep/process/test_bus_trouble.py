"""A real Loa whose bus has no room, or is frozen: it says so, and comes back by itself."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from producers.publisher import Publisher, Spooled
from tests.support import requirements
from tests.support.frozen_process import freeze
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, RelayProcess, wait_until
from tests.support.nats_accounts import ACCOUNTS

READERS = 3000
FEED = "/nguon-tin/tat-ca.rss"


def an_event(id: str, **data):
    return sample_event(id=id, content_id=f"tin-{id}", channels=["portal"], **data)


def nats_pid(loa: LoaProcess) -> int:
    """The embedded server."""
    children = Path(f"/proc/{loa.process.pid}/task/{loa.process.pid}/children").read_text()
    names = {int(pid): Path(f"/proc/{pid}/comm").read_text().strip() for pid in children.split()}
    [pid] = [pid for pid, name in names.items() if name == "nats-server"]
    return pid


@pytest.mark.promise("1.4", "4.4")
def test_a_loa_without_disk_space_refuses_and_goes_on_when_there_is_room(tmp_path):
    requirements.small_disks()
    with requirements.small_disk(tmp_path / "data") as disk, LoaProcess(tmp_path) as loa:
        loa.add_unit()
        accepted = [loa.post(an_event("dau")).body["event_id"]]
        loa.trace_of_event(accepted[0])
        feed = (disk / "portal" / "public" / FEED.lstrip("/")).read_bytes()
        ballast = requirements.fill(disk)
        wait_until(lambda: not send(loa, f"day-{len(accepted)}", accepted), "the closed door")
        wait_until(lambda: "no space left on device" in complaint(loa), "the reason")
        assert (disk / "portal" / "public" / FEED.lstrip("/")).read_bytes() == feed
        assert loa.page_status(FEED) == 200
        requirements.fill(disk)
        kept = asyncio.run(publish(loa, tmp_path / "spool"))
        assert isinstance(kept, Spooled)
        ballast.unlink()
        wait_until(lambda: send(loa, "cuoi", accepted), "the open door")
        wait_until(lambda: loa.request("/readyz").status == 200, "good health")
        drained = asyncio.run(drain(loa, tmp_path / "spool"))
        assert (len(drained.accepted), drained.left) == (1, 0)
        for event_id in [*accepted, *(one.event_id for one in drained.accepted)]:
            assert loa.trace_of_event(event_id)["channels"]["portal"]["delivered"] == 1
        assert loa.violations() == []


def send(loa: LoaProcess, id: str, accepted: list[str]) -> bool:
    """Post an event; what is not 202 is 503."""
    answer = loa.post(an_event(id, body="x" * 20_000))
    if answer.status == 202:
        accepted.append(answer.body["event_id"])
    else:
        assert answer.status == 503
    return answer.status == 202


def complaint(loa: LoaProcess) -> str:
    """Complaint of /readyz about the server. It is well for a moment after each of its restarts."""
    answer = loa.request("/readyz")
    loa.post(an_event("thu"))
    return answer.body["failing"].get("nats", "")


async def publish(loa: LoaProcess, spool: Path):
    async with Publisher(loa.ready().nats_url, UNIT, spool, patience_s=1) as publisher:
        return await publisher.publish(an_event("giu", body="x" * 90_000))


async def drain(loa: LoaProcess, spool: Path):
    async with Publisher(loa.ready().nats_url, UNIT, spool, patience_s=60) as publisher:
        return await publisher.drain()


@pytest.mark.promise("3.6")
def test_a_bus_that_stands_still_during_a_delivery_costs_time_and_nobody_a_mail(tmp_path):
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit()
        loa.readers(READERS)
        event_id = loa.publish("tin-dau", "email")
        wait_until(lambda: relay.count() > READERS // 5, "mails")
        hung = nats_pid(loa)
        freeze(hung)
        wait_until(lambda: not Path(f"/proc/{hung}").exists(), "the end of the hung server")
        story = loa.trace_of_event(event_id, 300)
        copies = Counter(relay.accepted_mails())
        counts = story["channels"]["email"]
        assert (counts["expected"], counts["delivered"], counts["missing"]) == (READERS, READERS, 0)
        assert len(copies) == READERS
        assert sum(copies.values()) - READERS <= counts["maybe_duplicate"]
        assert loa.violations() == []


@pytest.mark.promise("1.2")
def test_a_loa_refuses_a_bus_that_acknowledges_before_its_disk(tmp_path, other_server):
    lazy = "jetstream { store_dir: STORE, sync_interval: 1m }" + ACCOUNTS
    with other_server(lazy) as other:
        loa = LoaProcess(tmp_path, NATS_URL=other.url.replace("//", "//loa:loa@"))
        refused = loa.cli("up", "--port", "0")
        assert refused.exit_code == 3
        assert "cannot be used: sync_interval is not always" in refused.err
        assert "Traceback" not in refused.out + refused.err
        assert not list((other.store / "jetstream").rglob("streams"))
