"""Webhook events of the sandbox, in Zalo's envelopes."""

import json
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from channels.zalo.stand_in import APP_ID, OA_ID
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World

ZNS_SERVER = "ZNS"


def raise_event(world: World, name: str, body: Mapping[str, Any], server: str = "") -> None:
    """Queue an event if the app listens. Its bytes are fixed here, once."""
    if not world.webhook_queue.enabled:
        return
    timestamp = milliseconds(world.clock())
    whole = {"app_id": APP_ID, **body, "event_name": name, "timestamp": timestamp}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    facts = {"name": name, "body": text, "timestamp": timestamp, "server": server}
    world.record("event_raised", id=token_hex(8), **facts)


def raise_user_event(world: World, person: Person, name: str, **body: Any) -> None:
    raise_event(world, name, _envelope(person.user_id, OA_ID, person.user_id_by_app) | body)


def raise_oa_event(world: World, person: Person, name: str, **body: Any) -> None:
    raise_event(world, name, _envelope(OA_ID, person.user_id, person.user_id_by_app) | body)


def _envelope(sender: str, recipient: str, by_app: str) -> dict[str, Any]:
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "user_id_by_app": by_app}


def raise_account_event(world: World, name: str, **body: Any) -> None:
    """An event about the Official Account or a person, without sender and recipient."""
    raise_event(world, name, {"oa_id": OA_ID} | body)


def raise_echo(world: World, person: Person, message: Message) -> None:
    """The echo of the Official Account's own message, with the id of the send's answer."""
    text = {"text": message.content["text"]} if message.content.get("text") else {}
    raise_oa_event(world, person, "oa_send_text", message={**text, "msg_id": message.id})


def raise_receipt(world: World, message: Message) -> None:
    """The receipt of a message on a phone; computers send none."""
    person = world.people.by_id.get(message.user_id)
    if person is not None and not person.on_mobile:
        return
    if message.template_id:
        _raise_template_receipt(world, message)
    elif person is not None:
        raise_oa_event(world, person, "user_received_message", message={"msg_id": message.id})


def _raise_template_receipt(world: World, message: Message) -> None:
    message_facts = {
        "delivery_time": milliseconds(message.delivered or message.at),
        "msg_id": message.id,
    }
    if message.tracking_id:
        message_facts["tracking_id"] = message.tracking_id
    to = message.phone or message.user_id
    body = {"sender": {"id": OA_ID}, "recipient": {"id": to}, "message": message_facts}
    raise_event(world, "user_received_message", body, ZNS_SERVER)


def milliseconds(at: float) -> str:
    return str(round(at * 1000))
