"""What the sandbox tells the app by webhook, in Zalo's envelopes."""

import json
from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from channels.zalo.sandbox.oauth import APP_ID, OA_ID
from channels.zalo.sandbox.people import Person
from channels.zalo.sandbox.talk import Message
from channels.zalo.sandbox.world import World

ZNS = "ZNS"
ECHOES = {"image", "gif", "list", "file", "sticker"}


def tell(world: World, name: str, body: Mapping[str, Any], server: str = "") -> None:
    """Queue one event, unless the app does not want it. Its bytes are fixed here, once."""
    if not world.events.enabled or name in world.rules.webhook_off:
        return
    timestamp = millis(world.clock())
    whole = {"app_id": APP_ID, **body, "event_name": name, "timestamp": timestamp}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    facts = {"name": name, "body": text, "timestamp": timestamp, "server": server}
    world.record("event_raised", id=token_hex(8), **facts)


def from_user(world: World, person: Person, name: str, **body: Any) -> None:
    tell(world, name, envelope(person.user_id, OA_ID, person.user_id_by_app) | body)


def from_oa(world: World, person: Person, name: str, **body: Any) -> None:
    tell(world, name, envelope(OA_ID, person.user_id, person.user_id_by_app) | body)


def envelope(sender: str, recipient: str, by_app: str) -> dict[str, Any]:
    return {"sender": {"id": sender}, "recipient": {"id": recipient}, "user_id_by_app": by_app}


def of_oa(world: World, name: str, **body: Any) -> None:
    """An event about the Official Account or a person, without sender and recipient."""
    tell(world, name, {"oa_id": OA_ID} | body)


def echo(world: World, person: Person, message: Message) -> None:
    """The Official Account's own message comes back, with the id that the send was answered."""
    if not world.rules.echoes:
        return
    sort = message.sort if message.sort in ECHOES else "text"
    text = {"text": message.content["text"]} if message.content.get("text") else {}
    attachments = message.content.get("attachments")
    attached = {"attachments": attachments} if attachments else {}
    from_oa(world, person, f"oa_send_{sort}", message={**text, "msg_id": message.id, **attached})


def receipt(world: World, message: Message) -> None:
    """It reached a phone; nobody is told of what arrives on a computer."""
    person = world.people.by_id.get(message.user_id)
    if not world.rules.receipts or (person is not None and not person.on_mobile):
        return
    if message.template_id:
        receipt_of_template(world, message)
    elif person is not None:
        from_oa(world, person, "user_received_message", message={"msg_id": message.id})


def receipt_of_template(world: World, message: Message) -> None:
    known = {"delivery_time": millis(message.delivered or message.at), "msg_id": message.id}
    if message.tracking_id:
        known["tracking_id"] = message.tracking_id
    to = message.phone or message.user_id
    body = {"sender": {"id": OA_ID}, "recipient": {"id": to}, "message": known}
    tell(world, "user_received_message", body, ZNS)


def millis(at: float) -> str:
    return str(round(at * 1000))
