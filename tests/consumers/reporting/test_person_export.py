"""`loa subscribers export`: everything that is kept of one person, in the published shape."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import jsonschema_rs
import pytest

from consumers.email.bounce_records import BounceRecords
from consumers.key_file import KeyFile, register_key
from consumers.subscribers.store import SubscriberStore
from consumers.suppression.store import SuppressionStore
from consumers.zalo.erasure import zalo_address
from consumers.zalo.followers import FollowerStore
from contracts import subjects
from contracts.delivery import BatchKey, ChannelName
from contracts.records import NoticeRecord
from contracts.subscriptions.subscriber import Consent, Subscriber
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail
from tests.support.cli import json_output
from tests.support.events import ITEM, submitted
from tests.support.intake_harness import IntakeHarness
from tests.support.zalo_webhook import USER, parsed_event

KEYS = KeyFile(b"k" * 32)
EMAIL, ZALO = ChannelName.EMAIL, ChannelName.ZALO
ADDRESS, OTHER = "ong.ba@example.com", "khac@example.com"
ID = "r0001"
"""The second row of the newsroom's first batch."""
NOON = datetime(2026, 11, 26, 5, tzinfo=UTC)
SCHEMA = Path(__file__).parents[3] / "contracts" / "schemas" / "person-export.v1.json"


@pytest.fixture
async def news(bus, clock, tmp_path):
    """A reader with a mail that came back, a letter and a notice; another one with a notice."""
    await register_key(bus, KEYS)
    (tmp_path / "vault.key").write_text(KEYS.secret.hex())
    store = SubscriberStore.from_key_file(bus, KEYS)
    reader = Subscriber(id=ID, email=ADDRESS, name="Ông Bà")
    reader = reader.with_consent(Consent(version="2026-11", at=NOON), "page")
    await store.upsert(ADDRESS, lambda _: reader)
    news = IntakeHarness(bus, clock)
    await news.take_in(submitted())
    await news.add_plan(b"ddx")
    batch = BatchKey(EMAIL, ITEM, 1, 0)
    await BounceRecords(bus.bucket("ledger")).record_bounce(batch, 1, "5.1.1", 0.0)
    for number, address in enumerate((ADDRESS, OTHER)):
        contact = {"email": address, "zalo_user_id": USER, "consent": True}
        await store_notice(bus, number, contact)
    mail = TransactionalMail(
        kind=TransactionalKind.MANAGE, address=ADDRESS, path="/secret", at=NOON, expires_at=NOON
    )
    await bus.bucket("notices").put("letter-x", mail.model_dump_json().encode())
    return news


async def store_notice(bus, number: int, contact) -> None:
    record = NoticeRecord(
        content_id=f"case-{number}", revision=1, event_id="e", unit="u",
        contact=contact, channels=(ZALO, EMAIL),
    )  # fmt: skip
    await bus.bucket(subjects.NOTICES.name).put(f"n{number}", record.model_dump_json().encode())


def checked(answer: dict) -> dict:
    jsonschema_rs.validate(json.loads(SCHEMA.read_text()), answer)
    return answer


async def test_a_readers_export_has_all_that_is_kept_and_nothing_of_others(bus, news, loa):
    await SuppressionStore.from_key_file(bus, KEYS).add(EMAIL, ADDRESS, "bounced 5.1.1", None)
    run = await loa("subscribers", "export", ADDRESS.upper())
    told = checked(json_output(run))
    assert (told["state"], told["subscriber"]["name"]) == ("reader", "Ông Bà")
    [given] = told["subscriber"]["consent_history"]
    assert (given["change"], given["version"]) == ("given", "2026-11")
    [mail] = told["deliveries"]
    facts = (mail["content_id"], mail["status"], mail["came_back"])
    assert facts == (ITEM, "delivered", "5.1.1") and mail["title"]
    assert [one["content_id"] for one in told["notices"]] == ["case-0"]
    assert [one["letter"] for one in told["letters"]] == ["manage"]
    assert [one["reason"] for one in told["suppressions"]] == ["bounced 5.1.1"]
    assert OTHER not in run.stdout and "/secret" not in run.stdout
    assert told["deliveries"] == json_output(await loa("subscribers", "export", ID))["deliveries"]


async def test_an_erased_readers_id_finds_only_what_was_delivered(bus, news, loa):
    removed = await loa("subscribers", "remove", ADDRESS, "--reason", "ticket 7", "--yes")
    assert removed.exit_code == 0, removed.stderr
    told = checked(json_output(await loa("subscribers", "export", ID)))
    assert (told["state"], told["subscriber"], told["notices"]) == ("erased", None, [])
    assert [one["status"] for one in told["deliveries"]] == ["delivered"]
    gone = await loa("subscribers", "export", ADDRESS)
    assert (gone.exit_code, "nothing is kept" in gone.stderr) == (2, True)


async def test_a_person_at_zalo_is_exported_by_their_id(bus, news, loa):
    await FollowerStore.from_key_file(bus, KEYS).record_event(parsed_event("follow", 1))
    await SuppressionStore.from_key_file(bus, KEYS).add(ZALO, zalo_address(USER), "muted", None)
    told = checked(json_output(await loa("subscribers", "export", f"zalo:{USER}")))
    assert told["follower"]["follows"] is True
    assert [one["content_id"] for one in told["notices"]] == ["case-0", "case-1"]
    assert [one["channel"] for one in told["suppressions"]] == ["zalo"]


async def test_a_file_is_new_and_for_its_owner_alone(bus, news, loa, tmp_path):
    path = tmp_path / "person.json"
    assert (await loa("subscribers", "export", ADDRESS, "--out", str(path))).exit_code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert checked(json.loads(path.read_text("utf-8")))["state"] == "reader"
    again = await loa("subscribers", "export", ADDRESS, "--out", str(path))
    assert (again.exit_code, "person.json" in again.stderr) == (2, True)
