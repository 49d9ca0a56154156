"""An erased person can't be found by who searches every byte that Loa has on its disks."""

import asyncio
import json
import quopri
import smtplib
import unicodedata
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from channels.email.devmailbox.mail_folder import MailFolder
from channels.email.parsing import header_text
from contracts import subjects
from producers.bus import Bus, topology
from tests.support.bounce_mails import bounce_mail
from tests.support.gateway_client import sample_event
from tests.support.loa_process import UNIT, LoaProcess, wait_until
from tests.support.seals import use_key

ADDRESS, OTHER = "nguoi-da-xoa@example.com", "nguoi-o-lai@example.com"
NAME = "Trần Thị Đã Xóa"
ITEM = "tin-da-gui"


def spellings(word: str) -> list[bytes]:
    """*word* as it may lie on a disk: plain, folded, escaped, in other encodings.

    ASCII letters are lower, as those of the bytes in which they are sought.
    """
    plain = [word, word.lower(), unicodedata.normalize("NFD", word)]
    texts = [f(one) for one in plain for f in (str, quote, lambda w: json.dumps(w)[1:-1])]
    coded = [one.encode() for one in texts]
    coded += [quopri.encodestring(one.encode()) for one in plain]
    coded += [one.encode().hex().encode() for one in plain]
    coded += [one.encode("utf-16-le") for one in plain]
    return [one.lower() for one in coded]


def in_base64(word: str) -> list[bytes]:
    """Common part of all texts in base64 that hold *word*, at each of three places."""
    word_bytes, found = word.encode(), []
    for before in range(3):
        encoded = b64encode(bytes(before) + word_bytes)
        found.append(encoded[-(-before * 4 // 3) : (before + len(word_bytes)) * 4 // 3])
    return found


def files_with(folder: Path, *words: str) -> list[str]:
    """The files that hold one of *words*; what the stand-ins for providers got is left out."""
    paths = [p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".csv", ".eml")]
    paths = [path for path in paths if "zalo-sandbox" not in path.parts]
    content = {str(path.relative_to(folder)): path.read_bytes() for path in paths}
    sought = [spelling for word in words for spelling in spellings(word)]
    coded = [part for word in words for part in in_base64(word)]
    return [
        name
        for name, data in content.items()
        if any(spelling in data.lower() for spelling in sought)
        or any(part in data for part in coded)
    ]


@pytest.mark.parametrize("encode", [str.encode, lambda w: b64encode(b"x" + w.encode()),
                                    lambda w: json.dumps({"a": w}).encode(),
                                    lambda w: quote(w).encode()])  # fmt: skip
def test_the_search_finds_a_word_in_any_spelling(tmp_path, encode):
    (tmp_path / "some").write_bytes(b"\x00" + encode(NAME) + b"\xff")
    assert files_with(tmp_path, NAME) == ["some"]
    assert files_with(tmp_path, "Trần Thị Khác") == []


def case_notice(loa, number: int, **contact: str) -> str:
    """A step of a dossier whose person is told; the event's id."""
    event = sample_event("updated", id=f"e-{number}", contact={"consent": True, **contact})
    accepted = loa.post(event)
    assert accepted.status == 202, accepted
    return accepted.body["event_id"]


def hidden_types(event: dict[str, Any]) -> Iterator[tuple[dict[str, str], bytes]]:
    """A case event whose type is spelled so that a search for its bytes does not find it."""
    plain = json.dumps(event)
    structured = {"Content-Type": "application/cloudevents+json"}
    yield structured, plain.encode()
    yield structured, plain.replace("case.updated", "case\\u002eupdated").encode()
    binary = {"Content-Type": "application/json", "ce-type": "vn.gov.moha.case%2Eupdated.v1"}
    own = {f"ce-{name}": str(event[name]) for name in ("id", "source", "specversion")}
    yield binary | own, json.dumps(event["data"]).encode()


async def past_the_door(url: str, data: Path) -> int:
    """Case events with an address come by NATS, also through the unit's own stream: they die."""
    event = sample_event("updated", id="e-9", contact={"consent": True, "email": ADDRESS})
    async with await Bus.connect(url) as bus:
        await use_key(bus, data)
        await topology.apply(bus, [UNIT])
        messages = list(hidden_types(event))
        for number, (headers, body) in enumerate(messages):
            numbered = {"Nats-Msg-Id": str(number)} | headers
            await bus.publish(subjects.inbound(UNIT, "submitted"), body, headers=numbered)
        await bus.publish(subjects.case(UNIT), messages[0][1], headers=messages[0][0])
    return len(messages) + 1


async def used_places(url: str) -> set[str]:
    """The streams and buckets that held something."""
    async with await Bus.connect(url) as bus:
        infos = await topology.stream_infos(bus) | await topology.inbound_infos(bus)
    return {name for name, info in infos.items() if info["state"]["last_seq"]}


def delivered(loa, content_id: str) -> int:
    return loa.trace(content_id)["channels"]["email"]["delivered"]


def bounce(loa) -> None:
    """The person's first mail comes back, and the report names the address."""
    raw = [one.raw() for one in MailFolder(loa.data / "mail").newest_first()]
    theirs = [one for one in raw if ADDRESS in header_text(one, "To")]
    [mail] = [one for one in theirs if ITEM in header_text(one, "Subject")]
    path, host_port = header_text(mail, "Return-Path").strip("<>"), loa.ready().bounces
    host, _, port = host_port.rpartition(":")
    report = bounce_mail("5.1.1", to=ADDRESS, message_id=header_text(mail, "Message-ID")[1:33])
    with smtplib.SMTP(host, int(port)) as relay:
        relay.sendmail("", [path], report)
    wait_until(lambda: '"event": "address_suppressed"' in loa.log(), "the suppression")


def fill_every_place(loa) -> None:
    """A reader whom Loa has met everywhere: at each door, in each command, in what came back."""
    loa.add_unit(UNIT, "--notices", "email")
    loa.cli("units", "set", UNIT, "--release", "desk")
    loa.publish("tin-cho-duyet", "email")
    wait_until(lambda: loa.cli("desk", "list", "--json").json, "the draft")
    loa.cli("units", "set", UNIT, "--release", "automatic")
    loa.add_readers(f"{ADDRESS},{NAME},,,,", f"{OTHER},Lê Ở Lại,,,,")
    loa.publish(ITEM, "email", "portal", title=ITEM)
    loa.trace_when_complete(ITEM)
    loa.trace_of_event(case_notice(loa, 1, email=ADDRESS))
    died = asyncio.run(past_the_door(loa.ready().nats_url, loa.data))
    wait_until(lambda: sum(one["times"] for one in loa.dead_letters()) >= died, "the deaths")
    bounce(loa)
    for command in (
        *(("subscribers", "show"), ("subscribers", "export"), ("mail", "suppressed", "show")),
        ("trace", ITEM, "--reader"),
    ):
        assert loa.cli(*command, ADDRESS).exit_code == 0, command
    for name in ("an", "binh"):
        loa.cli("staff", "add", name, "--name", name, "--unit", UNIT, "--role", "quan-tri-kenh")


PLACES = {
    *("CONTENT", "PUBLICATIONS", "DELIVER", "RECEIPTS", "DEAD", "AUDIT", "EDITORIAL", "IN_" + UNIT),
    *("KV_events", "KV_publications", "KV_ledger", "KV_subscribers", "KV_person_keys", "KV_units"),
    *("KV_notices", "KV_digests", "KV_suppressed", "KV_staff", "KV_control"),
}


@pytest.mark.promise("12.2", "14.3")
def test_nothing_of_an_erased_reader_is_left_on_any_disk(tmp_path):
    loa = LoaProcess(tmp_path, EMAIL_BOUNCE_DOMAIN="tra-lai.moha.example", BOUNCES_PORT=0)
    with loa:
        fill_every_place(loa)
        assert asyncio.run(used_places(loa.ready().nats_url)) >= PLACES
        plain = files_with(tmp_path, ADDRESS, NAME)
        assert plain and all("directory.sqlite" in name for name in plain)
        remove = ("subscribers", "remove", ADDRESS, "--yes", "--reason")
        assert loa.cli(*remove, f"ticket 7 of {ADDRESS}").exit_code == 2, "a reason names no one"
        assert loa.cli(*remove, "ticket 7").exit_code == 0
        wait_until(lambda: not files_with(loa.data, ADDRESS), "the directory's erasure")
        assert loa.cli("backup", tmp_path / "backup").exit_code == 0
        assert loa.cli("subscribers", "show", OTHER, "--json").json["email"] == OTHER
        assert delivered(loa, ITEM) == 2, "what was delivered stays counted"
        assert loa.violations() == []
        assert loa.cli("subscribers", "show", ADDRESS).exit_code == 2
    assert files_with(tmp_path, ADDRESS, NAME) == []
    assert (loa.data / "records" / "audit-heads.jsonl").exists()
    streams = loa.data / "nats" / "jetstream"
    (streams / "LOA").rename(streams / "$G")  # where an earlier version has them
    with loa:
        assert loa.logged("nats_store_moved")
        assert loa.cli("subscribers", "show", OTHER, "--json").json["email"] == OTHER
        assert loa.violations() == []
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
