"""`loa units`: what a unit may do, in words; its keys for trials and its guests."""

import time
from datetime import UTC, datetime

import pytest

from consumers.audit.log import AuditLog
from consumers.cli.stores import open_registry
from consumers.trials.guests import GuestAddresses
from contracts.errors import Unauthorized
from tests.support.cli import json_output
from tests.support.events import UNIT

AT = datetime(2026, 12, 1, tzinfo=UTC)


async def test_a_change_shows_what_the_unit_may_do_now_as_the_list_does(bus, loa):
    await loa("units", "add", UNIT)
    changed = (await loa("units", "set", UNIT, "--urgent")).stdout.splitlines()[-2:]
    listed = (await loa("units", "list")).stdout.splitlines()[-2:]
    assert [line.split() for line in changed] == [line.split()[:-1] for line in listed]
    assert changed[1].split() == [UNIT, "desk", "yes", "zalo,email"]
    answer = json_output(await loa("units", "set", UNIT, "--no-urgent", "--json"))
    assert answer["urgent"] is False


async def test_a_key_for_trials_is_shown_once_and_revoked(bus, loa):
    await loa("units", "add", UNIT)
    key = json_output(await loa("units", "trial-key", UNIT, "--json"))["api_key"]
    assert key.startswith(f"loatrial_{UNIT}_")
    registry = open_registry(bus)
    assert (await registry.authenticate_sender(key)).unit == UNIT
    ended = json_output(await loa("units", "trial-key", UNIT, "--revoke", "--json"))
    assert ended["revoked"] is True
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(key)


async def test_guests_are_added_listed_masked_and_removed(bus, loa):
    await loa("units", "add", UNIT)
    for _ in range(2):
        added = json_output(await loa("units", "guest", UNIT, "An@moha.example", "--json"))
    assert [one["address"] for one in added] == ["an***@moha.example"]
    assert json_output(await loa("units", "guests", UNIT, "--json")) == added
    wrong = await loa("units", "guest", UNIT, "khong-phai-dia-chi")
    assert wrong.exit_code == 2 and "address" in wrong.stderr
    audited = [message.data async for message in AuditLog(bus, time.time).messages(1)]
    assert audited and not any(b"moha" in data for data in audited)
    left = await loa("units", "guest", UNIT, "an@moha.example", "--remove", "--json")
    assert json_output(left) == []


async def test_a_guest_of_another_key_file_is_listed_and_removed_by_id(bus, loa):
    await loa("units", "add", UNIT)
    await loa("units", "guest", UNIT, "an@moha.example")
    stranger = GuestAddresses(lambda _: b"k" * 32).guest(UNIT, "binh@moha.example", AT)
    await open_registry(bus).add_guest(UNIT, stranger)
    listed = json_output(await loa("units", "guests", UNIT, "--json"))
    assert {one["address"] for one in listed} == {"an***@moha.example", "?"}
    left = json_output(await loa("units", "guest", UNIT, stranger.id, "--remove", "--json"))
    assert [one["address"] for one in left] == ["an***@moha.example"]
    again = await loa("units", "guest", UNIT, stranger.id, "--remove")
    assert again.exit_code == 2 and "address" in again.stderr
