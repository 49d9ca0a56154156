"""A forged, replayed, moved or cut message in any stream or bucket delivers nothing, and is told.

The writer holds every right on the bus, and no key. Each row says what tells of its message, or
that it is harmless. A new stream fails this test until it has a row.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from consumers.key_file import KeyFile, seal_people
from contracts.base.seals import SEAL_HEADER
from contracts.base.times import utc_now
from contracts.subscriptions.subscriber import Subscriber
from producers.bus import Bus, BusError, Message, topology
from producers.bus.publish import EXPECTED_REVISION_HEADER
from producers.seals import publish_sealed
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, sandbox_call, wait_until
from tests.support.seals import use_key

SENT, LATER, WAITING = "tin-da-gui", "tin-sau", "tin-cho-duyet"
DESK_UNIT = "cuc-viec-lam"
READERS = 4
"""One of them gets nothing more: the attack destroys the record."""
KINDS = ("forged", "replayed", "moved", "cut")
BATCH = f"email.{SENT}.1.0"

DEAD = "it is a dead letter, with an alarm"
HARMLESS = "nothing happens, or nothing twice"
REFUSED = "the server refuses it"
UNSEALED = "`loa check` names the record, and the log has an alarm when it is read"
NAMED = "`loa check` names it as unreadable"
VERIFIED = "`loa audit verify` and `loa check` name it"
UNREADABLE = "an error in the log names the record"
STOPPED = "a channel stops, and the log and `loa status` say so"


@dataclass(frozen=True)
class Row:
    """Attack on one stream: how a body is forged, and where a genuine message is moved.

    *place*: the subject or, of a bucket, the key of the genuine message; *seed*: its body, if the
    story has left none. *told*: what tells of each kind. *alarm*: the event in the log.
    """

    place: str
    elsewhere: str
    forge: Callable[[bytes], bytes]
    told: Mapping[str, str]
    alarm: str = ""
    seed: bytes = b"{}"


def row(
    place: str, elsewhere: str, *told: str, alarm: str = "", seed: bytes = b"{}", **fields: Any
) -> Row:
    """A row that changes *fields* of a JSON body. One word of *told* counts for every kind."""

    def forge(body: bytes) -> bytes:
        known = json.loads(body) if body.startswith(b"{") else {}
        return json.dumps(known | fields).encode()

    every = told * len(KINDS) if len(told) == 1 else told
    return Row(place, elsewhere, forge, dict(zip(KINDS, every, strict=True)), alarm, seed)


def event(place: str, elsewhere: str, *told: str, alarm: str) -> Row:
    """A row that changes the title of an event."""

    def forge(body: bytes) -> bytes:
        known = json.loads(body)
        return json.dumps(known | {"data": known["data"] | {"title": "Ke tan cong"}}).encode()

    return replace(row(place, elsewhere, *told, alarm=alarm), forge=forge)


def sealed(place: str, elsewhere: str, **fields: Any) -> Row:
    kinds = (UNSEALED, REFUSED, UNSEALED, UNSEALED)
    return row(place, elsewhere, *kinds, alarm="record_not_sealed", **fields)


STRANGER = Subscriber(id="gia", email="ke@tan.cong").model_dump(mode="json")
TABLE = {
    "CONTENT": event(
        f"content.{UNIT}.submitted", f"content.{DESK_UNIT}.submitted",
        DEAD, HARMLESS, DEAD, DEAD, alarm="event_refused",
    ),
    f"IN_{UNIT}": event(
        f"in.{UNIT}.submitted", f"in.{DESK_UNIT}.submitted",
        DEAD, HARMLESS, DEAD, DEAD, alarm="event_refused",
    ),
    "PUBLICATIONS": event(
        f"publication.chuyen-doi-so.{SENT}", f"publication.chuyen-doi-so.{SENT}-2",
        DEAD, alarm="publication_not_released",
    ),
    "DELIVER": row(  # a wake-up carries no truth: the ledger says what is due
        "deliver.email.normal", "deliver.portal.normal",
        HARMLESS, HARMLESS, DEAD, DEAD, alarm="event_refused",
        batch="email.tin-gia.1.0", seed=json.dumps({"batch": BATCH, "lane": "normal"}).encode(),
    ),
    "RECEIPTS": row(
        "receipt.zalo.seen", "receipt.zalo.withdrawn", DEAD, alarm="receipt_not_sealed",
        recipient="x",
    ),
    "DEAD": row("dead.intake", "dead.feedback", NAMED, stage="feedback"),
    "OPINIONS": row(  # anonymous presses of a button: they are counted, and lead to nothing
        f"opinion.portal.{SENT}.satisfied", f"opinion.portal.{SENT}.neutral", HARMLESS,
    ),
    "AUDIT": row("audit.record", "audit.other", VERIFIED, VERIFIED, REFUSED, VERIFIED, actor="em"),
    "EDITORIAL": row(
        f"editorial.{WAITING}", "editorial.tin-gia", UNSEALED, alarm="act_not_sealed", by="em",
    ),
    "FACTS": row(
        "fact.release.tin-gia.1", "fact.release.tin-gia.2", UNSEALED, alarm="fact_not_sealed",
        unit="em",
    ),
    "STATUS": row(
        f"publication.status.{UNIT}.{SENT}", f"publication.status.{UNIT}.tin-gia",
        UNSEALED, REFUSED, UNSEALED, UNSEALED,
        alarm="status_not_sealed", kind="withdrawn",
    ),
    "CALLBACKS": row(  # what became of calls, for people who look
        f"callback.{UNIT}.aa", f"callback.{UNIT}.bb", HARMLESS, kind="withdrawn",
    ),
    "OBJ_uploads": row("$O.uploads.M.Z2lh", "$O.uploads.M.Z2li", HARMLESS, nuid="x"),
    "KV_events": row("", "gia", HARMLESS, unit=DESK_UNIT),
    "KV_publications": sealed(f"{SENT}.1", f"{SENT}.9", state="waiting"),
    "KV_ledger": sealed(f"state.{BATCH}", "state.email.tin-gia.1.0", r="wwww"),
    "KV_units": sealed(DESK_UNIT, "vu-phap-che", release="automatic"),
    "KV_trial_units": sealed(f"guests.{DESK_UNIT}", "guests.vu-phap-che", guests=[]),
    "KV_trials": row("gia", "gia2", HARMLESS, unit="em"),
    "KV_callbacks": sealed(f"{UNIT}.aa", f"{UNIT}.bb", ends="gia"),
    "KV_digests": sealed("now.daily", "now.weekly", upto=99),
    "KV_staff": sealed("account.nv-an", "account.nv-em", roles=["account-manager"]),
    "KV_sessions": sealed("session.an", "session.em", account="nv-an"),
    "KV_staff_mail": sealed("cursor", "out.nv-em", seq=10**9),
    "KV_subscribers": row(
        "s.", "s.aaaaaaaaaaaaaaaa", UNREADABLE, HARMLESS, UNREADABLE, UNREADABLE,
        alarm="subscriber_unreadable", **STRANGER,
    ),
    "KV_person_keys": row("subscribers.s.", "subscribers.s.aaaaaaaaaaaaaaaa", HARMLESS, key="x"),
    "KV_notices": row("", "gia", HARMLESS, contact={"email": "ke@tan.cong", "consent": True}),
    "KV_kept_texts": row("gia.tin", "gia.tin2", HARMLESS, text="x"),
    "KV_imports": row("gia", "gia2", HARMLESS, url="http://ke.tan.cong"),
    "KV_suppressed": sealed("email.aa", "email.gia", until="2020-01-01T00:00:00Z"),
    "KV_followers": row("f.aa", "f.bb", HARMLESS, state="follows"),
    "KV_vault": row("zalo.grant.", "zalo.grant.a", STOPPED, alarm="zalo_operator_needed", x="x"),
    "KV_control": row("pause.email", "pause.zalo", STOPPED, alarm="channel_paused", paused=True),
}  # fmt: skip
"""`IN_<unit>` stands for the inbound stream of every unit."""


@dataclass
class Attacker:
    """Publishes what it likes, and remembers where that was stored, by stream and kind."""

    bus: Bus
    stored: dict[tuple[str, str], Message] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)

    async def attack(self, name: str, one: Row, genuine: Message) -> None:
        own = {n: text for n, text in genuine.headers.items() if n in _SENT_AGAIN}
        if SEAL_HEADER not in own:  # the server need not compare what Loa does not
            own.pop(EXPECTED_REVISION_HEADER, None)
        genuine = replace(genuine, headers=own)
        unsealed = {n: text for n, text in own.items() if n != SEAL_HEADER}
        made = {
            "replayed": genuine,
            "moved": replace(genuine, subject=_subject(name, one.elsewhere)),
            "forged": replace(genuine, data=one.forge(genuine.data), headers=unsealed),
            "cut": replace(genuine, data=genuine.data[:-20]),
        }
        for kind, message in made.items():
            await self.publish(name, kind, message)

    async def publish(self, name: str, kind: str, message: Message) -> None:
        """A forger who knows the server expects the present revision."""
        headers = dict(message.headers)
        if kind != "replayed" and EXPECTED_REVISION_HEADER in headers:
            present = await self.bus.last_message(name, message.subject)
            headers[EXPECTED_REVISION_HEADER] = str(present.seq if present else 0)
        try:
            ack = await self.bus.publish(
                message.subject, message.data, headers=headers, msg_id=f"{name}.{kind}",
                patience_s=1.0,
            )  # fmt: skip
        except BusError:
            self.refused.add((name, kind))
        else:
            self.stored[name, kind] = replace(message, seq=ack.seq, headers={"stream": ack.stream})


_SENT_AGAIN = (SEAL_HEADER, EXPECTED_REVISION_HEADER, "Content-Type")


def _subject(stream: str, place: str) -> str:
    return f"$KV.{stream.removeprefix('KV_')}.{place}" if stream.startswith("KV_") else place


async def genuine_messages(attacker: Bus, owner: Bus) -> dict[str, Message]:
    """Messages that the story has left in each stream; Loa's own hand adds the missing ones."""
    found = {}
    for name, one in TABLE.items():
        begin = _subject(name, one.place)
        stored = [m async for m in attacker.scan(name) if m.subject.startswith(begin)]
        if not stored and name == "RECEIPTS":
            receipt = {
                "channel": "zalo",
                "content_id": SENT,
                "revision": 1,
                "recipient": "broadcast",
            }
            await publish_sealed(owner, one.place, json.dumps(receipt).encode(), "genuine")
        elif not stored and name.startswith("KV_"):
            await owner.bucket(name.removeprefix("KV_")).create(one.place, one.seed)
        stored = stored or [m async for m in attacker.scan(name) if m.subject.startswith(begin)]
        last = Message(begin, 0, one.seed, {}, utc_now(lambda: 0.0))
        found[name] = stored[0] if stored else last
    content = found["CONTENT"]
    found[f"IN_{UNIT}"] = replace(content, subject=f"in.{UNIT}.submitted")
    return found


@dataclass(frozen=True)
class Evidence:
    """Traces of the attack, and the records that tell of it."""

    attacker: Attacker
    letters: set[str]
    """The message ids of dead letters."""
    violations: set[tuple[str, str]]
    faults: set[str]
    log: list[dict[str, Any]]
    before: dict[str, Any]
    after: dict[str, Any]
    later_mails: int


def effects(loa: LoaProcess) -> dict[str, Any]:
    """Texts that readers have got."""
    zalo = sandbox_call(loa.ready().zalo_sandbox, "state")
    pages = loa.data / "portal" / "public"
    return {
        "mails": sorted(mail["Message-ID"] for mail in loa.mails()),
        "zalo": {name: zalo[name] for name in ("articles", "broadcasts", "messages")},
        "pages": sorted(str(one.relative_to(pages)) for one in (pages / "tin").rglob("*")),
    }


def tell_the_story(loa: LoaProcess) -> None:
    loa.readers(READERS)
    loa.cli("units", "add", DESK_UNIT, "--release", "desk", "--json")
    for unit in (DESK_UNIT, UNIT):
        if unit == UNIT:
            loa.add_unit(UNIT, "--notices", "email")
        assert loa.cli("units", "bus-key", unit, "--out", loa.folder / unit).exit_code == 0
    loa.publish(SENT, title="Bộ Nội vụ ra mắt kênh")
    loa.trace_when_complete(SENT)
    told = loa.post(sample_event("updated"))
    loa.trace_of_event(told.body["event_id"])


async def attack(loa: LoaProcess) -> Attacker:
    url = loa.ready().nats_url
    async with await Bus.connect(url, name="attacker") as bus, await Bus.connect(url) as owner:
        seal_people(owner, KeyFile.open(loa.data / "vault.key"))
        await use_key(owner, loa.data)
        attacker = Attacker(bus)
        genuine = await genuine_messages(bus, owner)
        for name, one in TABLE.items():
            await attacker.attack(name, one, genuine[name])
        return attacker


async def letter_ids(url: str) -> set[str]:
    async with await Bus.connect(url) as bus:
        letters = [json.loads(m.data) async for m in bus.scan("DEAD") if m.data.endswith(b"}")]
    return {one["origin"]["headers"].get("Nats-Msg-Id", "") for one in letters if "origin" in one}


def is_read(loa: LoaProcess, item: str) -> bool:
    """Whether portal and mail have the item; the attack has destroyed the tokens of Zalo."""
    counts = loa.trace(item).get("channels") or {}
    return all(counts.get(name, {}).get("complete") for name in ("portal", "email"))


def dead_id(attacker: Attacker, name: str, kind: str) -> str:
    """The message id of the message that intake, dispatch, ... takes."""
    stored = attacker.stored[name, kind]
    is_inbound = name.startswith("IN_")
    return f"{stored.headers['stream']}.{stored.seq}." if is_inbound else f"{name}.{kind}"


def has_letter(letters: set[str], wanted: str) -> bool:
    return any(one == wanted or (wanted[-1] == "." and one.startswith(wanted)) for one in letters)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("forged")) as loa:
        tell_the_story(loa)
        before = effects(loa)
        attacker = asyncio.run(attack(loa))
        url = loa.ready().nats_url
        wanted = {
            dead_id(attacker, name, kind)
            for name, one in TABLE.items()
            for kind in KINDS
            if one.told[kind] == DEAD and (name, kind) in attacker.stored
        }

        def arrived() -> bool:
            letters = asyncio.run(letter_ids(url))
            return all(has_letter(letters, one) for one in wanted)

        with suppress(AssertionError):  # the rows say which are missing
            wait_until(arrived, "dead letters", 20, 0.3)
        after = effects(loa)
        for channel in ("email", "zalo"):
            assert loa.cli("resume", channel).exit_code == 0
        loa.publish(LATER, title="Tin sau")
        wait_until(lambda: is_read(loa, LATER), "the later item on portal and by mail")
        wait_until(lambda: loa.logged("zalo_operator_needed"), "word of the tokens")
        check, verify = loa.cli("check", "--deep", "--json"), loa.cli("audit", "verify", "--json")
        return Evidence(
            attacker,
            asyncio.run(letter_ids(url)),
            {(one["rule"], one["key"]) for one in check.json["violations"]},
            {one["fault"] for one in verify.json["faults"]},
            [json.loads(line) for line in loa.log().splitlines() if line.startswith("{")],
            before,
            after,
            len(loa.mails()) - len(after["mails"]),
        )


def test_every_stream_and_bucket_has_a_row():
    assert set(TABLE) == {*topology.stream_names(), f"IN_{UNIT}"}


def test_nothing_is_delivered_and_readers_are_served_on(evidence):
    assert evidence.after == evidence.before
    assert evidence.later_mails == READERS - 1


@dataclass(frozen=True)
class Trace:
    """One message that the server has stored, and what there is to be found of it."""

    evidence: Evidence
    name: str
    kind: str

    @property
    def stored(self) -> Message:
        return self.evidence.attacker.stored[self.name, self.kind]

    @property
    def key(self) -> str:
        return self.stored.subject.removeprefix("$KV.")

    def alarms(self, fact: str) -> set[str]:
        event = TABLE[self.name].alarm
        return {str(one.get(fact)) for one in self.evidence.log if one["event"] == event}

    def is_dead(self) -> bool:
        wanted = dead_id(self.evidence.attacker, self.name, self.kind)
        return has_letter(self.evidence.letters, wanted) and self.alarms("level") <= ALARMS

    def is_unsealed(self) -> bool:
        names = {self.key, f"{self.name}.{self.stored.seq}"}
        return any(("record-unsealed", one) in self.evidence.violations for one in names)

    def is_named(self) -> bool:
        return ("unreadable", f"{self.name}.{self.stored.seq}") in self.evidence.violations

    def is_verified(self) -> bool:
        fault = {"forged": "unsealed", "replayed": "inserted", "cut": "changed"}[self.kind]
        damaged = ("bus-damaged", self.name) in self.evidence.violations
        return damaged and fault in self.evidence.faults

    def is_unreadable(self) -> bool:
        return self.key.rpartition(".")[2] in self.alarms("recipient")

    def has_stopped(self) -> bool:
        return bool(self.alarms("channel"))


ALARMS = {"warning", "error"}
FOUND: Mapping[str, Callable[[Trace], bool]] = {
    DEAD: Trace.is_dead,
    UNSEALED: Trace.is_unsealed,
    NAMED: Trace.is_named,
    VERIFIED: Trace.is_verified,
    UNREADABLE: Trace.is_unreadable,
    STOPPED: Trace.has_stopped,
    HARMLESS: lambda _: True,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TABLE)
def test_each_message_is_told_or_harmless(evidence, name, kind):
    proof = TABLE[name].told[kind]
    assert ((name, kind) in evidence.attacker.refused) == (proof == REFUSED)
    assert proof == REFUSED or FOUND[proof](Trace(evidence, name, kind)), proof
