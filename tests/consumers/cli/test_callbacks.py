"""`loa callbacks`: endpoints of units, from the first call to the log of tries."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from consumers.callbacks import status_store
from consumers.callbacks.endpoints import EndpointStore
from consumers.callbacks.progress import Disabled
from consumers.callbacks.status_store import StatusStore
from consumers.staff import administration
from consumers.staff.authorization import ACTIONS
from consumers.staff.policy import load_policy
from contracts import subjects
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from tests.support.cli import json_output

HOST = "https://he-thong.example.gov.vn"
URL = f"{HOST}/loa?ma=b1mat"
CONTACT = "it@example.gov.vn"
BY = ("--by", "Trần Thị Bình")


@pytest.fixture
async def added(loa):
    given = await loa("callbacks", "add", "van-phong-bo", URL, "--contact", CONTACT, "--json", *BY)
    assert given.exit_code == 0, given.stderr
    return json_output(given)


async def listed(loa):
    return json_output(await loa("callbacks", "list", "--json"))


async def test_an_endpoint_is_added_and_its_secret_is_shown_once(loa, added):
    assert added["secret"].startswith("whsec_")
    [one] = await listed(loa)
    assert (one["endpoint"], one["url"], one["state"]) == (added["endpoint"], HOST, "on")
    shown = (await loa("callbacks", "list")).stdout + json.dumps(await listed(loa))
    assert added["secret"] not in shown and CONTACT not in shown


@pytest.mark.promise("17.3")
@pytest.mark.parametrize(
    "url",
    [
        "http://he-thong.example.gov.vn/loa",
        "https://127.0.0.1/loa",
        "https://10.1.2.3/loa",
        "https://he-thong.example.gov.vn:8443/loa",
        "https://localhost/loa",
        "không phải",
    ],
)
async def test_an_address_that_is_never_called_is_refused_by_its_field(loa, url):
    refused = await loa("callbacks", "add", "van-phong-bo", url, "--contact", CONTACT, *BY)
    assert refused.exit_code == 2 and "url" in refused.stderr
    assert await listed(loa) == []


async def test_a_contact_that_is_no_address_is_refused_by_its_field(loa):
    refused = await loa("callbacks", "add", "van-phong-bo", URL, "--contact", "it", *BY)
    assert refused.exit_code == 2 and "contact" in refused.stderr


async def test_the_same_address_twice_is_refused(loa, added):
    again = await loa("callbacks", "add", "van-phong-bo", URL, "--contact", CONTACT, *BY)
    assert again.exit_code == 2 and URL in again.stderr


async def test_the_audit_log_has_the_host_alone(loa, added, bus):
    stored = [one.data async for one in bus.scan(subjects.AUDIT.name)]
    assert any(HOST.encode() in one for one in stored)
    assert not [one for one in stored if b"b1mat" in one or CONTACT.encode() in one]


def test_who_says_where_facts_go_needs_the_right_that_units_keys_take():
    assert ACTIONS["callbacks.add"] == ACTIONS["callbacks.rotate"] == administration.MANAGE
    assert load_policy(Path()).needs_step_up(administration.MANAGE)


async def test_an_endpoint_that_is_called_no_more_is_a_warning_and_no_broken_promise(
    loa, added, bus
):
    gone = {"disabled": Disabled(at=datetime.now(UTC), reason="gone")}
    await EndpointStore(bus).update_progress(
        "van-phong-bo", added["endpoint"], lambda one: one.model_copy(update=gone)
    )
    checked = await loa("check", "--json")
    assert checked.exit_code == 0
    [warning] = json_output(checked)["warnings"]
    assert (warning["rule"], HOST in warning["detail"]) == ("callback-disabled", True)


async def test_no_more_is_read_to_count_what_waits_than_a_limit(loa, added, bus, monkeypatch):
    at, kind = datetime.now(UTC), StatusKind.RELEASED
    told = ContentStatus(unit="van-phong-bo", kind=kind, content_id="tin", revision=1, at=at)
    await StatusStore(bus).tell([status_fact(told)])
    [counted] = await listed(loa)
    monkeypatch.setattr(status_store, "MOST_READ", 0)
    [limited] = await listed(loa)
    assert (counted["waiting"], counted["waiting_at_least"]) == (1, False)
    assert (limited["waiting"], limited["waiting_at_least"]) == (0, True)


async def test_a_new_secret_another_try_and_the_end_of_an_endpoint(loa, added):
    where = ("van-phong-bo", added["endpoint"])
    rotated = json_output(await loa("callbacks", "rotate", *where, "--json", *BY))
    assert rotated["secret"] != added["secret"]
    assert (await loa("callbacks", "enable", *where, *BY)).exit_code == 0
    nothing = await loa("callbacks", "replay", *where, "--since", "1h", *BY)
    assert nothing.exit_code == 2 and "since" in nothing.stderr
    assert json_output(await loa("callbacks", "log", *where, "--json")) == []
    assert (await loa("callbacks", "remove", *where, *BY)).exit_code == 0
    assert await listed(loa) == []
    gone = await loa("callbacks", "enable", *where, *BY)
    assert gone.exit_code == 2 and added["endpoint"] in gone.stderr
