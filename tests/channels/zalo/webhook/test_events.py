"""Parsed events: their subject, without texts or personal data."""

import json
from datetime import UTC, datetime

import pytest

from channels.zalo.errors import UnusableEvent
from channels.zalo.stand_in import OA_ID
from channels.zalo.webhook import events
from channels.zalo.webhook.events import EventKind, ZaloEvent
from tests.support.zalo_webhook import AT_MS, PHONE, SECRET_WORDS, USER, text_event, webhook_event

NOON = datetime.fromtimestamp(AT_MS / 1000, UTC)
OF_OA = {"sender": {"id": OA_ID}, "recipient": {"id": USER}}
FOLLOWER = {"oa_id": OA_ID, "follower": {"id": USER}, "source": "oa_profile"}
RECEIPT = {
    "sender": {"id": OA_ID},
    "recipient": {"id": PHONE},
    "message": {"delivery_time": str(AT_MS - 5000), "msg_id": "z-1", "tracking_id": "t-1"},
}
TEMPLATE = {"oa_id": OA_ID, "template_id": "301"}
STATUS = {"prev_status": "ENABLE", "new_status": "DISABLE"}
QUOTA = {"oaId": OA_ID, "quota": {"prev_value": "500", "new_value": "2000"}}
RATED = {"rate": 2, "note": SECRET_WORDS, "feedbacks": [], "msg_id": "z-1", "tracking_id": "t-1"}


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (webhook_event("follow", **FOLLOWER), {"kind": "follow", "user_id": USER}),
        (webhook_event("unfollow", **FOLLOWER), {"kind": "unfollow", "user_id": USER}),
        (text_event(), {"kind": "inbound", "user_id": USER, "oa_id": OA_ID}),
        (
            webhook_event("user_click_chatnow", oa_id=OA_ID, user_id=USER, sender=None),
            {"kind": "interaction", "user_id": USER},
        ),
        (
            webhook_event("user_submit_info", info={"name": SECRET_WORDS, "phone": PHONE}),
            {"kind": "interaction", "user_id": USER},
        ),
        (
            webhook_event("widget_interaction_accepted", data={"user_id": USER, "url": "x"}),
            {"kind": "interaction", "user_id": USER},
        ),
        (
            webhook_event("user_received_message", **RECEIPT),
            {"kind": "delivered", "message_ids": ("z-1",), "tracking_id": "t-1", "user_id": ""},
        ),
        (
            webhook_event("user_received_message", **OF_OA, message={"msg_id": "m-9"}),
            {"kind": "delivered", "message_ids": ("m-9",), "user_id": ""},
        ),
        (
            webhook_event("user_seen_message", **OF_OA, message={"msg_ids": ["a", "b"]}),
            {"kind": "seen", "message_ids": ("a", "b"), "user_id": ""},
        ),
        (
            webhook_event("user_feedback", message=RATED, oa_id=OA_ID),
            {"kind": "answered", "tracking_id": "t-1", "user_id": ""},
        ),
        (
            webhook_event(
                "user_click_response_button", message={"tracking_id": "t-1"}, msg_id="z-1"
            ),
            {"kind": "answered", "tracking_id": "t-1", "message_ids": ("z-1",)},
        ),
        (
            webhook_event("user_withdraw", user_id=USER, sender=None),
            {"kind": "withdrawn", "user_id": USER},
        ),
        (
            webhook_event("change_template_status", status=STATUS, **TEMPLATE),
            {"kind": "template", "template_id": "301", "state": "DISABLE", "quality": ""},
        ),
        (
            webhook_event("change_template_quality", quality="LOW", **TEMPLATE),
            {"kind": "template", "template_id": "301", "state": "", "quality": "LOW"},
        ),
        (webhook_event("change_oa_daily_quota", **QUOTA), {"kind": "quota", "quota": 2000}),
    ],
    ids=lambda one: one.get("event_name", ""),
)
def test_of_each_event_only_what_it_is_about_is_kept(raw, kept):
    event = events.parse_event(raw)
    assert {name: getattr(event, name) for name in kept} == kept
    assert event.at == NOON
    stored = event.model_dump_json()
    assert ZaloEvent.model_validate_json(stored) == event
    for private in (SECRET_WORDS, "Nguyễn", PHONE, "oa_profile", "rate"):
        assert private not in stored


def test_the_time_of_a_delivery_is_the_phones_and_not_the_events():
    event = events.parse_event(webhook_event("user_received_message", **RECEIPT))
    assert (event.at - event.delivered_at).total_seconds() == 5


def test_an_older_event_tells_its_time_in_seconds():
    assert events.parse_event(text_event(at_ms=AT_MS // 1000)).at == NOON


@pytest.mark.parametrize(
    "raw",
    [
        webhook_event("follow", follower={"id": "nobody"}, sender=None),
        webhook_event("follow", sender=None),
        webhook_event("user_withdraw", sender={"id": PHONE * 9}),
        webhook_event("user_received_message", message={}),
        webhook_event("user_seen_message", message={"msg_ids": ["a b", None, {}]}),
        webhook_event("change_template_status", status=STATUS, template_id="a.b"),
        webhook_event("user_send_text", timestamp="soon"),
        webhook_event("user_send_text", timestamp="9" * 40),
        webhook_event("user_send_text", timestamp="-5"),
        webhook_event("user_send_text", message="text", sender="somebody"),
    ],
    ids=str,
)
def test_an_event_that_does_not_say_what_it_is_about_is_named(raw):
    with pytest.raises(UnusableEvent, match=raw["event_name"]):
        events.parse_event(raw)


def test_copies_of_an_event_have_one_key_and_other_events_have_others():
    different = [
        text_event("m-1"),
        text_event("m-2"),
        webhook_event("user_send_image", message={"msg_id": "m-1"}),
        webhook_event("user_received_message", message={"msg_id": "m-1"}),
        webhook_event("user_seen_message", message={"msg_ids": ["m-1", "m-2"]}),
        webhook_event("follow", **FOLLOWER),
        webhook_event("follow", at_ms=AT_MS + 1, **FOLLOWER),
        webhook_event("unfollow", **FOLLOWER),
        webhook_event("follow", follower={"id": "5"}),
        webhook_event("change_template_quality", quality="LOW", **TEMPLATE),
        webhook_event("change_template_quality", quality="LOW", template_id="302"),
    ]
    keys = [events.parse_event(one).key for one in different]
    assert len(set(keys)) == len(different)
    assert keys == [events.parse_event(json.loads(json.dumps(one))).key for one in different]
    assert not any(USER in key for key in keys)


def test_the_key_of_a_message_does_not_hang_on_the_time_at_which_it_is_told():
    assert (
        events.parse_event(text_event()).key
        == events.parse_event(text_event(at_ms=AT_MS + 60_000)).key
    )


def test_every_event_of_the_table_has_a_kind_and_every_kind_an_event():
    assert set(events.event_kinds().values()) == set(EventKind)
