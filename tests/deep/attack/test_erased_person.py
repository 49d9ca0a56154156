"""An erased person can't be found by who searches every byte that Loa has on its disks."""

import asyncio
import json
from pathlib import Path

import pytest

from contracts import subjects
from producers.bus import Bus
from tests.support.gateway_client import sample_event
from tests.support.loa_process import UNIT, LoaProcess, wait_until

pytestmark = pytest.mark.timeout(240)
ADDRESS, OTHER = "nguoi-da-xoa@example.com", "nguoi-o-lai@example.com"
NAME = "Trần Thị Đã Xóa"
ITEM = "tin-da-gui"


def files_with(folder: Path, *words: str) -> list[str]:
    """The files that hold one of *words*; what the stand-ins for providers got is left out."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".csv", ".eml")]
    paths = [path for path in paths if "zalo-sandbox" not in path.parts]
    content = {str(path.relative_to(folder)): path.read_bytes().lower() for path in paths}
    sought = [word.lower().encode() for word in words]
    return [name for name, data in content.items() if any(word in data for word in sought)]


def case_notice(loa, number: int, **contact: str) -> str:
    """A step of a dossier whose person is told; the event's id."""
    event = sample_event("updated", id=f"e-{number}", contact={"consent": True, **contact})
    accepted = loa.post(event)
    assert accepted.status == 202, accepted
    return accepted.body["event_id"]


async def past_the_door(url: str) -> None:
    """A case event with an address comes by NATS: it dies."""
    event = sample_event("updated", id="e-9", contact={"consent": True, "email": ADDRESS})
    async with await Bus.connect(url) as bus:
        headers = {"Content-Type": "application/cloudevents+json"}
        await bus.publish(subjects.case(UNIT), json.dumps(event).encode(), headers=headers)


def delivered(loa, content_id: str) -> int:
    return loa.trace(content_id)["channels"]["email"]["delivered"]


@pytest.mark.promise("12.2", "14.3")
def test_nothing_of_an_erased_reader_is_left_on_any_disk(tmp_path):
    loa = LoaProcess(tmp_path)
    with loa:
        loa.add_unit(UNIT, "--notices", "email")
        loa.add_readers(f"{ADDRESS},{NAME},,,,", f"{OTHER},Lê Ở Lại,,,,")
        loa.publish(ITEM, "email")
        loa.trace_when_complete(ITEM)
        loa.trace_of_event(case_notice(loa, 1, email=ADDRESS))
        asyncio.run(past_the_door(loa.ready().nats_url))
        wait_until(loa.dead_letters, "the dead letter")
        plain = files_with(tmp_path, ADDRESS, NAME)
        assert plain and all("directory.sqlite" in name for name in plain)
        assert loa.cli("subscribers", "remove", ADDRESS, "--reason", "ticket 7").exit_code == 0
        wait_until(lambda: not files_with(loa.data, ADDRESS), "the directory's erasure")
        assert loa.cli("backup", tmp_path / "backup").exit_code == 0
        assert loa.cli("subscribers", "show", OTHER, "--json").json["email"] == OTHER
        assert delivered(loa, ITEM) == 2, "what was delivered stays counted"
        assert loa.violations() == []
        assert loa.cli("subscribers", "show", ADDRESS).exit_code == 2
    assert files_with(tmp_path, ADDRESS, NAME) == []
    with loa:
        assert loa.cli("subscribers", "show", OTHER, "--json").json["email"] == OTHER
    assert files_with(tmp_path, ADDRESS, NAME) == []


@pytest.mark.promise("12.7")
def test_nothing_of_a_person_who_is_erased_at_zalo_is_left_on_any_disk(tmp_path):
    loa = LoaProcess(tmp_path)
    with loa:
        loa.add_unit(UNIT, "--notices", "zalo,email")
        person = {"phone": "84912345678", "name": NAME}
        user_id = loa.sandbox("people", person)["user_id"]
        loa.sandbox(f"people/{user_id}/write", {"text": f"Tôi là {NAME}"})
        loa.sandbox(f"people/{user_id}/follow", {})
        wait_until(lambda: following(loa), "the follower to be counted")
        told = case_notice(loa, 1, zalo_user_id=user_id)
        wait_until(lambda: loa.request(f"/v1/events/{told}").body["channels"], "the notice")
        loa.sandbox(f"people/{user_id}/withdraw", {})
        wait_until(lambda: "zalo_person_erased" in loa.log(), "the erasure")
        assert loa.cli("backup", tmp_path / "backup").exit_code == 0
        assert loa.violations() == []
    assert files_with(tmp_path, user_id, NAME, person["phone"]) == []


def following(loa) -> int:
    return loa.cli("zalo", "followers", "--json").json["followers"]
