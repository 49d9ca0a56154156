"""One-to-one text messages: permitted recipients, message windows, prices and answers."""

from collections.abc import Mapping
from secrets import token_hex
from typing import Any

from aiohttp import web

from sandbox.zalo.errors import ApiError
from sandbox.zalo.middleware import WORLD, ok, read_body
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks import events

_FREE_WINDOW_S, _WINDOW_S = 48 * 3600.0, 7 * 86400.0
_WELCOMES = 3
_PRICE = 55
"""Of a message beyond the free window, in đồng."""
_STATE_BODY = 4
_TEXT_MAX = 2000
_UPGRADE_MESSAGE = (
    "The OA needs to upgrade OA Tier Package to use this feature. "
    "See more on https://zalo.cloud/oa/pricing"
)
_PERSON_ERRORS = {
    -217: "User has blocked invitation from OA",
    -218: "Out of quota receive",
    -227: "User is banned or has been inactive for more than 45 days",
    -244: "User has restricted this message type from your OA",
}
"""Errors that depend on the person alone."""


async def send_v3(request: web.Request) -> web.Response:
    """`/v3.0/oa/message/cs`."""
    world, body = request.app[WORLD], await read_body(request)
    require_paid_package(world)
    if world.rules.oa_type == _STATE_BODY:
        raise ApiError(-235, "This API does not support this type of OA")
    return send(world, body, old=False)


def send_v2(world: World, body: Mapping[str, Any]) -> web.Response:
    """`/v2.0/oa/message` to one person, for state bodies only."""
    require_paid_package(world)
    if world.rules.oa_type != _STATE_BODY:
        raise ApiError(-240, "MessageV2 API has been shut down, please switch to MessageV3 API")
    if world.rules.v2_refused:
        raise ApiError(-235, "This API does not support this type of OA")
    return send(world, body, old=True)


def send(world: World, body: Mapping[str, Any], *, old: bool) -> web.Response:
    recipient = body.get("recipient")
    if not isinstance(recipient, dict) or not isinstance(recipient.get("user_id"), str | int):
        raise ApiError(-201, "recipient is invalid!")
    person = find_person(world, str(recipient["user_id"]))
    quota = _quota_for(world, person)
    text = _parse_text(body.get("message"))
    price = 0 if quota else _PRICE
    if price:
        check_balance(world, price)
    id = token_hex(16)
    message = {
        "id": id,
        "user_id": person.user_id,
        "sort": "text",
        "content": {"text": text},
        "price": price,
        "quota": quota,
        "via": "v2" if old else "v3",
    }
    world.record("cs_sent", message=message)
    sent = world.conversations.messages[id]
    events.raise_echo(world, person, sent)
    return ok(_message_response(world, sent))


def _parse_text(message: object) -> str:
    """The text of a message, the only kind that the sandbox takes. Raises ApiError.

    The length counts as the text came: a text that is not in NFC is longer than it looks.
    """
    if not isinstance(message, Mapping):
        raise ApiError(-201, "message is invalid!")
    if "attachment" in message:
        raise ApiError(-233, "message type is invalid or not support")
    text = message.get("text", "")
    if not isinstance(text, str) or not text:
        raise ApiError(-201, "text is invalid!")
    if len(text) > _TEXT_MAX:
        raise ApiError(-210, "Parameter exceeds allowable limit")
    return text


def find_person(world: World, user_id: str) -> Person:
    person = world.people.by_id.get(user_id)
    if person is None:
        raise ApiError(-213, "User has not followed OA")
    return person


def _quota_for(world: World, person: Person) -> str:
    """The quota that pays for the message; empty: the message is billed. Raises ApiError."""
    check_person(person)
    if person.last_interaction is None:
        return _welcome_quota(world, person)
    silent_s = world.clock() - person.last_interaction
    if silent_s >= _WINDOW_S:
        raise ApiError(-230, "User has not interacted with the OA in the past 7 days")
    return "reply" if silent_s < _FREE_WINDOW_S else ""


def check_person(person: Person) -> None:
    if person.message_code:
        raise ApiError(person.message_code, _PERSON_ERRORS[person.message_code])


def _welcome_quota(world: World, person: Person) -> str:
    """Three greetings are allowed to a follower who has never interacted."""
    if not person.follower:
        raise ApiError(-213, "User has not interacted with OA")
    if _welcomes_left(world, person) <= 0:
        raise ApiError(-232, "User has not interacted with OA or last interaction was expired")
    return "welcome_msg"


def _welcomes_left(world: World, person: Person) -> int:
    return _WELCOMES - world.conversations.sent["welcome_msg", person.user_id]


def check_balance(world: World, price: int) -> None:
    if not world.rules.zca_linked:
        raise ApiError(
            -320, "Your app needs to connect with Zalo Cloud Account to use paid feature"
        )
    if world.conversations.available_balance() < price:
        raise ApiError(-321, "Zalo Cloud Account associated with your app is out of money")


def require_paid_package(world: World) -> None:
    if world.rules.free_package:
        raise ApiError(-224, _UPGRADE_MESSAGE)


def _message_response(world: World, message: Message) -> dict[str, Any]:
    """The answer; without a quota for a billed message."""
    answer: dict[str, Any] = {
        "message_id": message.id,
        "user_id": message.user_id,
        "sent_time": events.milliseconds(message.at),
    }
    if not message.quota:
        return answer
    quota = {"quota_type": message.quota}
    if message.quota == "welcome_msg":
        left = _welcomes_left(world, world.people.by_id[message.user_id])
        quota |= {"remain": str(left), "total": str(_WELCOMES)}
    return answer | {"quota": quota}
