"""/zalo/webhook: what is signed is stored once, then Zalo hears a yes; nothing else is believed."""

import hmac
import json
from hashlib import sha256

import httpx2
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from channels.errors import Unreachable
from channels.zalo import webhook
from channels.zalo.envelope import text_of
from channels.zalo.sandbox.oauth import APP_ID, APP_SECRET, OA_ID, OA_SECRET
from channels.zalo.signature import HEADER, NO_VARIANT, Signing
from consumers.zalo.hearing import Hearing
from contracts import subjects
from producers.bus import Silence, topology
from tests.freezing import frozen
from tests.zalo_hook import (
    PHONE,
    SECRET_WORDS,
    SIGNING,
    USER,
    a_text,
    an_event,
    connected,
    mac,
    post,
    receipts,
    written,
)

TEXT = written(a_text())
GOOD = mac(TEXT)
LADDER_S = (30, 300, 900, 1800, 3600)


@pytest.fixture
def stored():
    return []


@pytest.fixture
def app(stored):
    async def store(event):
        stored.append(event)

    return webhook.app(store, SIGNING)


@pytest.mark.parametrize(
    "signature",
    [f"mac={GOOD}", GOOD, GOOD.upper(), f"MAC={GOOD.upper()}", f" mac = {GOOD} ", f"mac={GOOD}\t"],
)
async def test_zalos_signature_is_taken_in_every_form_it_comes_in(app, stored, signature):
    assert (await post(app, TEXT, signature)).status_code == 200
    assert [event.user_id for event in stored] == [USER]


def keyed(key: str, body: bytes) -> str:
    return hmac.new(key.encode(), body, sha256).hexdigest()


WRONG = [
    (mac(TEXT, secret=APP_SECRET), "app secret behind the app id"),
    (mac(TEXT, id=OA_ID), "OA secret behind the OA id"),
    (mac(TEXT, id=OA_ID, secret=APP_SECRET), "app secret behind the OA id"),
    (keyed(OA_SECRET, TEXT), "HMAC with the OA secret"),
    (keyed(APP_SECRET, TEXT), "HMAC with the app secret"),
    (
        keyed(OA_SECRET, APP_ID.encode() + TEXT + json.loads(TEXT)["timestamp"].encode()),
        "HMAC with the OA secret over everything",
    ),
    (mac(TEXT, secret="another"), NO_VARIANT),
    (GOOD[:-1], NO_VARIANT),
    (GOOD[:-1] + ("0" if GOOD[-1] != "0" else "1"), NO_VARIANT),
    ("mac=", NO_VARIANT),
    ("sha256=" + GOOD, NO_VARIANT),
    ("é" + GOOD, NO_VARIANT),
]


@pytest.mark.parametrize(("signature", "variant"), WRONG)
async def test_anything_else_is_refused_and_the_log_says_what_would_explain_it(
    app, stored, signature, variant
):
    with structlog.testing.capture_logs() as logs:
        answer = await post(app, TEXT, signature)
    assert (answer.status_code, stored) == (403, [])
    [line] = logs
    assert (line["event"], line["would_fit"]) == ("zalo_webhook_refused", variant)
    shown = json.dumps(logs, ensure_ascii=False)
    for secret in (OA_SECRET, APP_SECRET, GOOD, SECRET_WORDS, USER):
        assert secret not in shown


HALF = b'{"timestamp":"\\ud800","oa_id":"\\udfff","event_name":"follow"}'


async def test_half_characters_from_anybody_are_refused_like_everything_forged(app, stored):
    assert (await post(app, HALF, f"mac={GOOD}")).status_code == 403
    assert stored == []


async def test_half_a_character_in_somebodys_words_does_not_lose_their_message(app, stored):
    cut = TEXT.replace(b'"text":"', b'"text":"\\ud83d')
    odd = written(an_event("change_template_status", template_id="x"))
    odd = odd.replace(b'"template_id":"x"', b'"template_id":"\\ud800"')
    assert (await post(app, cut)).status_code == 200
    assert [event.kind for event in stored] == ["inbound"]
    assert (await post(app, odd)).status_code == 200


async def test_strangers_bring_one_line_a_minute_that_counts_them(stored, clock):
    async def store(event):
        stored.append(event)

    app = webhook.app(store, SIGNING, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(50):
            assert (await post(app, TEXT, "mac=forged")).status_code == 403
        clock.advance(61)
        assert (await post(app, TEXT, "mac=forged")).status_code == 403
    assert [one["times"] for one in logs] == [1, 50]
    assert stored == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda some: (
        st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from(
    ["timestamp", "event_name", "oa_id", "sender", "recipient", "follower", "message", "data",
     "user_id", "template_id", "status", "quota", "quality", "msg_id"]
)  # fmt: skip


@given(
    said=st.dictionaries(FIELDS, VALUES),
    name=st.sampled_from(sorted(webhook.events.kinds())),
    header=st.text(st.characters(codec="latin-1"), min_size=1, max_size=80),
    signed=st.booleans(),
)
async def test_whatever_is_posted_nothing_breaks(said, name, header, signed):
    async def store(event):
        event.model_dump_json().encode()

    app = webhook.app(store, SIGNING)
    body = json.dumps({"event_name": name, "timestamp": "1", **said}).encode()
    right = "mac=" + mac_of(json.loads(body).get("timestamp"), body)
    answer = await post_raw(app, body, right.encode() if signed else header.encode("latin-1"))
    assert answer in ((200,) if signed else (200, 400, 403))


@given(body=st.binary(max_size=60), header=st.binary(min_size=1, max_size=40))
async def test_no_bytes_break_it(body, header):
    async def store(event):
        raise AssertionError("stored")

    assert await post_raw(webhook.app(store, SIGNING), body, header) in (200, 400, 403)


def mac_of(timestamp, body):
    at = text_of({"at": timestamp}, "at")
    return sha256(b"".join((APP_ID.encode(), body, at.encode(), OA_SECRET.encode()))).hexdigest()


async def post_raw(app, body, header):
    """The status alone; any bytes may stand in the header. What the app raises comes through."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(HEADER.lower().encode(), header)]
    scope = {"type": "http", "method": "POST", "path": webhook.PATH, "query_string": b""}
    await app({**scope, "root_path": "", "headers": headers}, receive, send)
    return sent[0]["status"]


async def test_who_hangs_up_in_the_middle_leaves_no_traceback(app, stored):
    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        """Nobody is there."""

    scope = {"type": "http", "method": "POST", "path": webhook.PATH, "query_string": b""}
    await app({**scope, "root_path": "", "headers": []}, receive, send)
    assert stored == []


async def test_the_bytes_count_as_they_came_and_not_as_json_would_write_them(app, stored):
    spaced = json.dumps(a_text(), indent=1).encode()
    assert (await post(app, spaced)).status_code == 200
    assert (await post(app, spaced, GOOD)).status_code == 403
    assert len(stored) == 1


async def test_a_changed_byte_is_noticed(app, stored):
    changed = TEXT.replace(USER.encode(), b"1318420240101000777")
    assert (await post(app, changed, f"mac={GOOD}")).status_code == 403
    assert stored == []


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", TEXT])
async def test_the_consoles_probe_gets_its_yes_and_leaves_nothing(app, stored, body):
    assert (await post(app, body, "")).status_code == 200
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://loa") as c:
        assert (await c.get(webhook.PATH)).status_code == 200
        assert (await c.put(webhook.PATH)).status_code == 405
    assert stored == []


@pytest.mark.parametrize("body", [b"[]", b'"text"', b"{", b"null", b"\xff\xfe", b"[" * 100_000])
async def test_a_signed_body_that_is_no_object_is_a_bad_request(app, stored, body):
    assert (await post(app, body, f"mac={GOOD}")).status_code == 400
    assert stored == []


async def test_a_body_has_a_size_limit_signed_or_not(app, stored):
    for signature in ("", f"mac={GOOD}"):
        large = b"x" * (webhook.BODY_MAX + 1)
        assert (await post(app, large, signature)).status_code == 413
    assert stored == []


async def test_an_old_event_is_taken(app, stored):
    """The ladder takes almost two hours, and Zalo's clock is not ours."""
    for at_ms in (1, 1_600_000_000_000, 4_000_000_000_000):
        assert (await post(app, written(a_text(at_ms=at_ms)))).status_code == 200
    assert len(stored) == 3


async def test_what_does_not_concern_us_is_acknowledged_and_not_stored(app, stored):
    for name in ("oa_send_text", "user_reacted_message", "unheard_of"):
        event = an_event(name, message={"msg_id": "m-1", "text": SECRET_WORDS})
        assert (await post(app, written(event))).status_code == 200
    assert stored == []


async def test_an_event_of_which_nothing_can_be_made_is_named_and_not_asked_for_again(app, stored):
    with structlog.testing.capture_logs() as logs:
        assert (await post(app, written(an_event("follow", sender=None)))).status_code == 200
    assert [(one["event"], one["zalo_event"]) for one in logs] == [
        ("zalo_event_unusable", "follow")
    ]
    assert stored == []


async def test_without_the_accounts_secret_nothing_is_believed_and_the_log_says_why():
    async def store(event):
        raise AssertionError("stored")

    app = webhook.app(store, Signing(APP_ID))
    empty = sha256(APP_ID.encode() + TEXT + json.loads(TEXT)["timestamp"].encode()).hexdigest()
    with structlog.testing.capture_logs() as logs:
        for signature in (GOOD, empty):
            assert (await post(app, TEXT, signature)).status_code == 503
        assert (await post(app, TEXT, "")).status_code == 200
    assert [(one["event"], one["times"]) for one in logs] == [("zalo_webhook_without_secret", 1)]


async def test_what_could_not_be_stored_is_asked_for_again():
    async def store(event):
        raise Unreachable("Silence")

    with structlog.testing.capture_logs() as logs:
        assert (await post(webhook.app(store, SIGNING), TEXT)).status_code == 503
    assert [one["event"] for one in logs] == ["zalo_event_not_stored"]


async def test_the_bus_that_is_away_is_a_503_before_zalo_stops_waiting(
    own_bus, own_server, monkeypatch
):
    monkeypatch.setattr("consumers.zalo.hearing.ATTEMPT_S", 0.1)
    monkeypatch.setattr("consumers.zalo.hearing.PATIENCE_S", 0.2)
    app = webhook.app(Hearing(own_bus).store, SIGNING)
    with frozen(own_server.pid):
        assert (await post(app, TEXT)).status_code == 503
    assert (await post(app, TEXT)).status_code == 200
    assert len(await receipts(own_bus)) == 1, "the first one was only late, and counts once"


async def test_an_event_lies_on_the_bus_under_its_kind_and_key(bus):
    app = webhook.app(Hearing(bus).store, SIGNING)
    for _ in range(3):
        assert (await post(app, TEXT)).status_code == 200
    [message] = [one async for one in bus.scan(subjects.RECEIPTS.name)]
    assert message.subject == "receipt.zalo.inbound"
    assert message.headers["Nats-Msg-Id"] == json.loads(message.data)["key"]
    assert SECRET_WORDS.encode() not in message.data


async def test_a_stream_of_an_older_version_remembers_long_enough_afterwards(bus):
    found = (await bus.stream_info("RECEIPTS"))["config"]
    older = found | {"duplicate_window": 120 * 10**9}
    await bus.link.api("STREAM.UPDATE.RECEIPTS", older)
    await topology.apply(bus)
    window_s = (await bus.stream_info("RECEIPTS"))["config"]["duplicate_window"] / 10**9
    assert window_s > sum(LADDER_S)


# --- the sandbox as Zalo


@pytest.fixture
async def line(bus, tmp_path, clock):
    async with connected(bus, tmp_path, clock) as line:
        yield line


async def test_the_sandbox_finds_the_webhook_in_order(line):
    assert (await line.zalo.said("/_sandbox/webhook/probe"))["accepted"]


async def test_every_retry_of_zalos_ladder_arrives_and_counts_once(line):
    user_id = await line.zalo.person()
    real, failures = line.hearing.store, []

    async def answer_lost(event):
        await real(event)
        failures.append(event.key)
        raise Unreachable("the answer was lost")

    line.hearing.store = answer_lost
    await line.zalo.act(user_id, "write", text=SECRET_WORDS)
    await line.zalo.settle()
    for wait_s in LADDER_S[:-1]:
        await line.zalo.later(seconds=wait_s)
    line.hearing.store = real
    await line.zalo.later(seconds=LADDER_S[-1])
    posted = line.zalo.facts("event_posted")
    assert [fact["status"] for fact in posted] == [503] * 5 + [200]
    assert len(failures) == 5
    assert [one["kind"] for one in await receipts(line.bus)] == ["inbound"]


async def test_copies_and_disorder_leave_each_event_once(line):
    line.zalo.stage.rules(webhook_copies=3, webhook_shuffle=4)
    user_id = await line.zalo.person()
    for number in range(8):
        await line.zalo.act(user_id, "write", text=f"{SECRET_WORDS} {number}")
    told = await line.heard()
    assert len(line.zalo.facts("event_posted")) == 8
    assert len(told) == len({one["key"] for one in told}) == 8


async def test_nobodys_words_phone_or_name_come_onto_the_bus_or_into_the_log(line):
    with structlog.testing.capture_logs() as logs:
        user_id = await line.zalo.person(name="Nguyễn Văn Kín", phone=PHONE)
        await line.zalo.act(user_id, "write", text=SECRET_WORDS)
        await line.zalo.act(user_id, "share", name="Nguyễn Văn Kín", phone=PHONE, address="Ngõ 5")
        await line.zalo.act(user_id, "follow")
        await line.zalo.said("/v2.0/oa/message", line.zalo.message(user_id, text=SECRET_WORDS))
        told = await line.heard()
    kinds = sorted(one["kind"] for one in told)
    assert kinds == ["delivered", "follow", "inbound", "interaction"], "the echo is no message"
    lies = [one async for one in line.bus.scan(subjects.RECEIPTS.name)]
    everything = repr([(one.subject, dict(one.headers), one.data.decode()) for one in lies])
    everything += json.dumps(logs, ensure_ascii=False)
    for private in (SECRET_WORDS, "001099012345", "Nguyễn", PHONE, PHONE[2:], "Ngõ 5"):
        assert private not in everything
    assert user_id not in json.dumps(logs)


async def test_a_silence_of_the_bus_is_told_as_such(bus):
    async def silent(*_args, **_options):
        raise Silence("no answer")

    hearing = Hearing(bus)
    bus.publish = silent
    with pytest.raises(Unreachable, match="Silence"):
        await hearing.store(webhook.events.read(a_text()))
