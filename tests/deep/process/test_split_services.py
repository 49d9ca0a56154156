"""Every service in a process of its own, on a nats-server that Loa has not started."""

import asyncio
import signal
import sys
import time
from datetime import timedelta

import pytest

from consumers.editorial.log import EditorialLog
from contracts import subjects
from contracts.base.times import vietnam_time
from contracts.delivery import ChannelName
from contracts.testing import sample
from tests.support.bulletin_desk import bulletin_desk
from tests.support.bulletin_history import SERIES
from tests.support.events import released_actions
from tests.support.gateway_client import sample_event
from tests.support.loa_bus import bus_of
from tests.support.loa_process import PATIENCE_S, RelayProcess, wait_until
from tests.support.repository import ROOT
from tests.support.smtp_conversation import ScriptedAction
from tests.support.smtp_receiver import SmtpReceiver
from tests.support.split_loa import NEEDED, Service, SplitLoa, on_a_server

OTHERS = ("sweep", "feedback", "zalo-sandbox")
READERS = 1200


@pytest.fixture
def loa(tmp_path, other_server, relay):
    with on_a_server(SplitLoa, tmp_path / "loa", other_server, relay) as loa:
        yield loa


def test_an_event_goes_its_way_over_many_processes_and_each_stops_in_order(loa, relay):
    loa.run(*NEEDED, *OTHERS)
    assert loa.cli("run", "deliver-zalo").exit_code == 2, "nothing is configured for it"
    assert loa.cli("run", "no-such-service").exit_code == 2
    loa.add_unit()
    loa.readers(3)
    counts = loa.trace_of_event(loa.publish("tin-moi", "portal", "email"))["channels"]
    assert {name: one["delivered"] for name, one in counts.items()} == {"portal": 1, "email": 3}
    title = sample("submitted")["data"]["title"]
    assert title in loa.shown("tin-moi")
    assert sorted(to for to, _ in relay.accepted_mails()) == [
        f"nguoi{n}@example.com" for n in range(3)
    ]
    assert loa.violations() == []
    for name, service in loa.services.items():
        assert "loa:loa" not in service.log.read_text(), "the bus's password"
        assert (name, service.stop()) == (name, 0), service.log.read_text()[-2000:]


def test_a_service_without_the_key_of_the_data_makes_no_other_one(loa):
    loa.run("intake")
    assert loa["intake"].stop() == 0
    key = loa.data / "vault.key"
    key.rename(key.with_name("elsewhere"))
    for name in ("sweep", "intake"):
        told = loa.cli("run", name)
        assert (told.exit_code, "vault.key" in told.err) == (2, True), told.err
        assert not key.exists()


def test_a_service_that_is_killed_goes_on_where_it_was(loa, relay):
    loa.run(*NEEDED)
    loa.add_unit()
    loa.readers(READERS)
    issue = kept_back_by_services_that_die(loa)
    for name in ("intake", "dispatch", "deliver-portal"):
        loa[name].kill()
        event_id = loa.publish(f"tin-{name}", "portal")
        loa.run(name)
        assert loa.trace_of_event(event_id)["channels"]["portal"]["delivered"] == 1
        assert loa.shown(f"tin-{name}")
    event_id = loa.publish("tin-cho-moi-nguoi", "email")
    wait_until(lambda: relay.count() > READERS // 4, "the first mails")
    loa["deliver-email"].kill()
    loa.run("deliver-email")
    counts = loa.trace_of_event(event_id)["channels"]["email"]
    check_copies(relay, counts)
    assert loa.violations() == []
    assert loa.page_status(f"/tin/{issue}") != 200, "of an issue that was kept back"


def kept_back_by_services_that_die(loa: SplitLoa) -> str:
    """An approved issue whose item was withdrawn: dispatch dies where it waits, and intake where
    the act is stored that withdraws the issue. No reader gets it.
    """
    for name in ("muc-mot", "muc-hai"):
        loa.trace_of_event(loa.publish(name, "portal", topic=min(SERIES.topics)))
    loa["dispatch"].kill()
    issue = asyncio.run(approved_with_a_withdrawn_item(loa))
    for _ in range(2):
        loa.run("dispatch")
        wait_until(lambda: asyncio.run(put_off(loa)), "dispatch to put the issue off", pause_s=0.5)
        loa["dispatch"].kill()
    loa.run("dispatch")
    command = (sys.executable, "-m", "tests.deep.crash.withheld")
    environ = loa.environ | {"PYTHONPATH": str(ROOT)}
    dying = loa.services["intake"] = Service("intake", loa.folder, environ, command)
    assert dying.process.wait(PATIENCE_S) == -signal.SIGKILL
    assert asyncio.run(acts_and_positions(loa, issue)) == ("khong-phat-hanh", ["published"])
    loa.run("intake")
    ended = ("khong-phat-hanh", ["published", "withdrawn"])
    wait_until(lambda: asyncio.run(acts_and_positions(loa, issue)) == ended, "its withdrawal")
    return issue


async def approved_with_a_withdrawn_item(loa: SplitLoa) -> str:
    """Make and approve an issue of today; intake ends before the approval is carried out."""
    today = vietnam_time(time.time()).date()
    async with bulletin_desk(loa) as desk:
        issue = await desk.begin(today - timedelta(days=1), today)
        assert {one.content_id for one in issue.entries} == {"muc-mot", "muc-hai"}
        assert loa.post(sample_event("withdrawn", id="go", content_id="muc-hai")).status == 202
        while await released_actions(desk.decisions.bus, "muc-hai") != ["published", "withdrawn"]:
            await asyncio.sleep(0.2)
        loa["intake"].kill()
        await desk.release(issue.content_id)
    return issue.content_id


async def put_off(loa: SplitLoa) -> bool:
    """Whether a message was given to each channel's dispatch again."""
    channels = ChannelName.PORTAL, ChannelName.EMAIL
    async with bus_of(loa) as bus:
        found = [
            await bus.consumer_info(subjects.PUBLICATIONS.name, subjects.dispatch(one))
            for one in channels
        ]
    return all(one["num_redelivered"] for one in found)


async def acts_and_positions(loa: SplitLoa, issue: str) -> tuple[str, list[str]]:
    """The code of the issue's last act, and the actions that were released."""
    async with bus_of(loa) as bus:
        *_, (_, last) = [one async for one in EditorialLog(bus).acts(issue)]
        return last.code, await released_actions(bus, issue)


def check_copies(relay: RelayProcess, counts: dict[str, int]) -> None:
    """Each reader has the mail, and each copy is declared and carries the same name."""
    assert (counts["expected"], counts["delivered"]) == (READERS, READERS)
    mails = relay.accepted_mails()
    assert len({to for to, _ in mails}) == len(set(mails)) == READERS
    assert len(mails) - READERS <= counts["maybe_duplicate"]


async def test_a_stop_does_not_wait_for_a_relay_that_says_nothing_more(loa, relay):
    """It takes the mail and never answers: that one is in doubt, and only that one."""
    async with SmtpReceiver(always={"end": ScriptedAction.RECORD_SWALLOW}) as silent:
        await asyncio.to_thread(stop_in_the_middle, loa, silent)
    event_id = loa.publish("tin-thu-hai", "email")
    loa.run("deliver-email")
    assert loa.trace_of_event(event_id)["channels"]["email"]["delivered"] == 3
    counts = loa.trace_when_complete("tin-moi")["channels"]["email"]
    assert (counts["delivered"], counts["maybe_duplicate"]) == (3, 1)
    text = [mail for mail in relay.accepted_mails() if mail[1] == silent.mails[0].message_id]
    assert [to for to, _ in text] == [silent.mails[0].recipient], "the same name on both copies"
    assert relay.count() == 6


def stop_in_the_middle(loa: SplitLoa, silent: SmtpReceiver) -> None:
    usual, loa.environ = loa.environ, loa.environ | {"LOA_EMAIL_PORT": str(silent.port)}
    loa.run(*NEEDED)
    loa.environ = usual
    loa.add_unit()
    loa.readers(3)
    loa.publish("tin-moi", "email")
    wait_until(lambda: silent.mails, "a mail on the wire")
    assert loa["deliver-email"].stop() == 0
