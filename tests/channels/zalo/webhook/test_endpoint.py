"""/zalo/webhook: signed events are stored, then acknowledged; other requests are not believed."""

import hmac
import json
from hashlib import sha256

import httpx2
import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from channels.errors import Unreachable
from channels.zalo.client.response import first_text
from channels.zalo.stand_in import APP_ID, APP_SECRET, OA_ID
from channels.zalo.webhook import endpoint
from channels.zalo.webhook.signature import HEADER, NO_EXPLANATION, SignatureVerifier
from tests.support.zalo_account import OA_SECRET
from tests.support.zalo_webhook import (
    SECRET_WORDS,
    SIGNING,
    TEXT,
    USER,
    event_bytes,
    post,
    signature_of,
    text_event,
    webhook_event,
)

GOOD = signature_of(TEXT)


@pytest.fixture
def stored_events():
    return []


@pytest.fixture
def app(stored_events):
    async def store(event):
        stored_events.append(event)

    return endpoint.create_app(store, SIGNING)


@pytest.mark.parametrize(
    "signature",
    [f"mac={GOOD}", GOOD, GOOD.upper(), f"MAC={GOOD.upper()}", f" mac = {GOOD} ", f"mac={GOOD}\t"],
)
async def test_zalos_signature_is_taken_in_every_form_it_comes_in(app, stored_events, signature):
    assert (await post(app, TEXT, signature)).status_code == 200
    assert [event.user_id for event in stored_events] == [USER]


def keyed(key: str, body: bytes) -> str:
    return hmac.new(key.encode(), body, sha256).hexdigest()


WRONG = [
    (signature_of(TEXT, secret=APP_SECRET), "app secret behind the app id"),
    (signature_of(TEXT, id=OA_ID), "OA secret behind the OA id"),
    (signature_of(TEXT, id=OA_ID, secret=APP_SECRET), "app secret behind the OA id"),
    (keyed(OA_SECRET, TEXT), "HMAC with the OA secret"),
    (keyed(APP_SECRET, TEXT), "HMAC with the app secret"),
    (
        keyed(OA_SECRET, APP_ID.encode() + TEXT + json.loads(TEXT)["timestamp"].encode()),
        "HMAC with the OA secret over everything",
    ),
    (signature_of(TEXT, secret="another"), NO_EXPLANATION),
    (GOOD[:-1], NO_EXPLANATION),
    ("mac=", NO_EXPLANATION),
    ("sha256=" + GOOD, NO_EXPLANATION),
    ("é" + GOOD, NO_EXPLANATION),
]


@pytest.mark.parametrize(("signature", "variant"), WRONG)
async def test_all_else_is_refused_and_the_log_says_why(app, stored_events, signature, variant):
    with structlog.testing.capture_logs() as logs:
        answer = await post(app, TEXT, signature)
    assert (answer.status_code, stored_events) == (403, [])
    [line] = logs
    assert (line["event"], line["would_fit"]) == ("zalo_webhook_refused", variant)
    shown = json.dumps(logs, ensure_ascii=False)
    for secret in (OA_SECRET, APP_SECRET, GOOD, SECRET_WORDS, USER):
        assert secret not in shown


async def test_half_a_character_in_somebodys_words_does_not_lose_their_message(app, stored_events):
    cut = TEXT.replace(b'"text":"', b'"text":"\\ud83d')
    odd = event_bytes(webhook_event("change_template_status", template_id="x"))
    odd = odd.replace(b'"template_id":"x"', b'"template_id":"\\ud800"')
    assert (await post(app, cut)).status_code == 200
    assert [event.kind for event in stored_events] == ["inbound"]
    assert (await post(app, odd)).status_code == 200


async def test_strangers_bring_one_line_a_minute_that_counts_them(stored_events, clock):
    async def store(event):
        stored_events.append(event)

    app = endpoint.create_app(store, SIGNING, clock)
    with structlog.testing.capture_logs() as logs:
        for _ in range(50):
            assert (await post(app, TEXT, "mac=forged")).status_code == 403
        clock.advance(61)
        assert (await post(app, TEXT, "mac=forged")).status_code == 403
    assert [one["times"] for one in logs] == [1, 50]
    assert stored_events == []


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


@pytest.mark.promise("12.6")
@given(
    said=st.dictionaries(FIELDS, VALUES),
    name=st.sampled_from(sorted(endpoint.events.event_kinds())),
    header=st.text(st.characters(codec="latin-1"), min_size=1, max_size=80),
    signed=st.booleans(),
)
async def test_whatever_is_posted_nothing_breaks(said, name, header, signed):
    async def store(event):
        event.model_dump_json().encode()

    app = endpoint.create_app(store, SIGNING)
    body = json.dumps({"event_name": name, "timestamp": "1", **said}).encode()
    right = "mac=" + mac_of(json.loads(body).get("timestamp"), body)
    answer = await post_raw(app, body, right.encode() if signed else header.encode("latin-1"))
    assert answer in ((200,) if signed else (200, 400, 403))


@given(body=st.binary(max_size=60), header=st.binary(min_size=1, max_size=40))
async def test_no_bytes_break_it(body, header):
    async def store(event):
        raise AssertionError("stored")

    assert await post_raw(endpoint.create_app(store, SIGNING), body, header) in (200, 400, 403)


def mac_of(timestamp, body):
    at = first_text({"at": timestamp}, "at")
    return sha256(b"".join((APP_ID.encode(), body, at.encode(), OA_SECRET.encode()))).hexdigest()


async def post_raw(app, body, header):
    """The status alone, for any header bytes. The app's exceptions come through."""
    sent = []

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    headers = [(HEADER.lower().encode(), header)]
    scope = {"type": "http", "method": "POST", "path": endpoint.PATH, "query_string": b""}
    await app({**scope, "root_path": "", "headers": headers}, receive, send)
    return sent[0]["status"]


async def test_who_hangs_up_in_the_middle_leaves_no_traceback(app, stored_events):
    async def receive():
        return {"type": "http.disconnect"}

    async def send(_):
        """The client is gone."""

    scope = {"type": "http", "method": "POST", "path": endpoint.PATH, "query_string": b""}
    await app({**scope, "root_path": "", "headers": []}, receive, send)
    assert stored_events == []


async def test_the_bytes_count_as_they_came_and_not_as_json_would_write_them(app, stored_events):
    spaced = json.dumps(text_event(), indent=1).encode()
    assert (await post(app, spaced)).status_code == 200
    assert (await post(app, spaced, GOOD)).status_code == 403
    assert len(stored_events) == 1


@pytest.mark.parametrize("body", [b"", b"{}", b"not json", TEXT])
async def test_the_consoles_probe_gets_its_yes_and_leaves_nothing(app, stored_events, body):
    assert (await post(app, body, "")).status_code == 200
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://loa") as c:
        assert (await c.get(endpoint.PATH)).status_code == 200
        assert (await c.put(endpoint.PATH)).status_code == 405
    assert stored_events == []


NO_OBJECTS = [b"[]", b'"text"', b"{", b"null", b"\xff\xfe", b"[" * 10_000]


@pytest.mark.parametrize("body", NO_OBJECTS)
async def test_a_signed_body_that_is_no_object_is_a_bad_request(app, stored_events, body):
    assert (await post(app, body, f"mac={mac_of(None, body)}")).status_code == 400
    assert stored_events == []


async def test_a_body_is_not_parsed_before_its_signature_is_verified(
    app, stored_events, monkeypatch
):
    """Only the log's search for an explanation, once a minute, parses what a stranger sends."""
    parsed, real = [], endpoint.json_object
    monkeypatch.setattr(endpoint, "json_object", lambda body: parsed.append(body) or real(body))
    forged = b"[" + b"[]," * 5000 + b"[]]"
    for _ in range(20):
        assert (await post(app, forged, f"mac={GOOD}")).status_code == 403
    assert (len(parsed), stored_events) == (1, [])


async def test_a_time_in_a_persons_words_is_not_the_events_own(app, stored_events):
    words = 'Tôi gửi "timestamp":"1" và "timestamp": 2'
    event = text_event() | {"message": {"msg_id": "m-1", "text": words, "timestamp": "9"}}
    moved = {"message": event.pop("message"), **event}  # parts with times of their own come first
    assert (await post(app, event_bytes(moved))).status_code == 200
    assert len(stored_events) == 1


async def test_a_body_has_a_size_limit_signed_or_not(app, stored_events):
    for signature in ("", f"mac={GOOD}"):
        large = b"x" * (endpoint.BODY_MAX + 1)
        assert (await post(app, large, signature)).status_code == 413
    assert stored_events == []


async def test_an_old_event_is_taken(app, stored_events):
    """The ladder takes almost two hours, and Zalo's clock is not ours."""
    for at_ms in (1, 1_600_000_000_000, 4_000_000_000_000):
        assert (await post(app, event_bytes(text_event(at_ms=at_ms)))).status_code == 200
    assert len(stored_events) == 3


async def test_what_does_not_concern_us_is_acknowledged_and_not_stored(app, stored_events):
    for name in (
        "oa_send_text", "oa_send_image", "oa_send_list", "user_reacted_message",
        "oa_reacted_message", "anonymous_send_text", "user_send_group_text", "add_user_to_tag",
        "oa_send_consent", "extension_purchased", "something_new", "",
    ):  # fmt: skip
        event = webhook_event(name, message={"msg_id": "m-1", "text": SECRET_WORDS})
        assert (await post(app, event_bytes(event))).status_code == 200
    assert stored_events == []


async def test_an_event_without_use_is_named_and_not_asked_for_again(app, stored_events):
    with structlog.testing.capture_logs() as logs:
        assert (
            await post(app, event_bytes(webhook_event("follow", sender=None)))
        ).status_code == 200
    assert [(one["event"], one["zalo_event"]) for one in logs] == [
        ("zalo_event_unusable", "follow")
    ]
    assert stored_events == []


async def test_without_the_accounts_secret_nothing_is_believed_and_the_log_says_why():
    async def store(event):
        raise AssertionError("stored")

    app = endpoint.create_app(store, SignatureVerifier(APP_ID))
    empty = sha256(APP_ID.encode() + TEXT + json.loads(TEXT)["timestamp"].encode()).hexdigest()
    with structlog.testing.capture_logs() as logs:
        for signature in (GOOD, empty):
            assert (await post(app, TEXT, signature)).status_code == 503
        assert (await post(app, TEXT, "")).status_code == 200
    assert [(one["event"], one["times"]) for one in logs] == [("zalo_webhook_without_secret", 1)]


@pytest.mark.promise("12.6")
async def test_what_could_not_be_stored_is_asked_for_again():
    async def store(event):
        raise Unreachable("Silence")

    with structlog.testing.capture_logs() as logs:
        assert (await post(endpoint.create_app(store, SIGNING), TEXT)).status_code == 503
    assert [one["event"] for one in logs] == ["zalo_event_not_stored"]
