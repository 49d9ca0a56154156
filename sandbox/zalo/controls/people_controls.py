"""Actions of people: come, write, follow, leave, read, tap, rate. For tests, and by hand."""

from secrets import randbelow, token_hex
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from channels.zalo.stand_in import OA_ID
from sandbox.zalo.controls.request_models import bad_request, parse_request
from sandbox.zalo.middleware import WORLD
from sandbox.zalo.state.conversations import Message
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World
from sandbox.zalo.texts import DEFAULT_NAME
from sandbox.zalo.webhooks import events

MessageSort = Literal[
    "text", "image", "link", "audio", "video", "sticker", "location", "business_card", "file"
]


class ControlRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PersonRequest(ControlRequest):
    """A person to create, or changes to one. A person who follows has just done so."""

    user_id: Annotated[str, Field(pattern=r"^\d{1,20}$")] | None = None
    name: str = DEFAULT_NAME
    phone: Annotated[str, Field(pattern=r"^(84\d{9})?$")] = ""
    follower: bool = True
    last_interaction: AwareDatetime | None = None
    gender: Literal[1, 2] | None = None
    age: int | None = None
    city: Annotated[int, Field(ge=0, le=63)] | None = None
    on_mobile: bool = True
    online: bool = True
    message_code: Literal[0, -217, -218, -227, -244] = 0
    template_code: Literal[0, -110, -114, -118, -119, -139, -140, -141] = 0


class WriteRequest(ControlRequest):
    """A message of a person: a text, or another sort with its attachments."""

    sort: MessageSort = "text"
    text: str = ""
    attachments: list[dict[str, Any]] = []
    quote_message_id: str = ""


class FollowRequest(ControlRequest):
    source: Literal["oa_profile", "message_invite", "social_plugin"] = "oa_profile"


class ReadRequest(ControlRequest):
    """The messages that are read; none: all that have arrived."""

    message_ids: list[str] = []


class TapRequest(ControlRequest):
    message_id: str
    button: int = 0


class RateRequest(ControlRequest):
    message_id: str
    rate: Annotated[int, Field(ge=1, le=5)] = 5
    note: str = ""
    feedbacks: list[str] = []


class ShareRequest(ControlRequest):
    """Facts that a person shares on request."""

    name: str = ""
    phone: str = ""
    address: str = ""


async def create(request: web.Request) -> web.Response:
    """Create a person, or change a known one."""
    world, settings = request.app[WORLD], await parse_request(request, PersonRequest)
    facts = settings.model_dump(exclude={"user_id", "last_interaction"}, exclude_unset=True)
    user_id = settings.user_id or str(randbelow(9 * 10**18) + 10**18)
    if user_id not in world.people.by_id and settings.follower:
        facts["last_interaction"] = world.clock()
    if "last_interaction" in settings.model_fields_set:
        last = settings.last_interaction
        facts["last_interaction"] = last.timestamp() if last else None
    world.record("person_set", person={"user_id": user_id, **facts})
    return _person_response(world.people.by_id[user_id])


async def listing(request: web.Request) -> web.Response:
    people = request.app[WORLD].people.by_id.values()
    return web.json_response([_person_state(person) for person in people])


async def write(request: web.Request) -> web.Response:
    world, person, message = (
        request.app[WORLD],
        _find_person(request),
        await parse_request(request, WriteRequest),
    )
    return web.json_response({"message_id": _write_message(world, person, message)})


def _write_message(world: World, person: Person, written: WriteRequest) -> str:
    """Record a message from a person to the Official Account."""
    id = token_hex(16)
    facts = written.model_dump(exclude_defaults=True, exclude={"sort"})
    world.record("wrote", id=id, user_id=person.user_id, sort=written.sort, content=facts)
    quoted = {"quote_msg_id": facts.pop("quote_message_id")} if written.quote_message_id else {}
    message = {"msg_id": id, **facts, **quoted}
    events.raise_user_event(world, person, f"user_send_{written.sort}", message=message)
    return id


async def follow(request: web.Request) -> web.Response:
    world, person, came = (
        request.app[WORLD],
        _find_person(request),
        await parse_request(request, FollowRequest),
    )
    world.record("followed", user_id=person.user_id, source=came.source)
    _raise_follow_event(world, person, "follow", came.source)
    return _person_response(person)


async def unfollow(request: web.Request) -> web.Response:
    world, person = request.app[WORLD], _find_person(request)
    world.record("unfollowed", user_id=person.user_id)
    _raise_follow_event(world, person, "unfollow", "oa_profile")
    return _person_response(person)


def _raise_follow_event(world: World, person: Person, event: str, source: str) -> None:
    who = {"follower": {"id": person.user_id}, "user_id_by_app": person.user_id_by_app}
    events.raise_account_event(world, event, **who, source=source)


async def mark_read(request: web.Request) -> web.Response:
    """Open the conversation; only phones report it."""
    world, person, selection = (
        request.app[WORLD],
        _find_person(request),
        await parse_request(request, ReadRequest),
    )
    ids = [_find_message(request, id).id for id in selection.message_ids] or [
        message.id
        for message in world.conversations.messages_with(person.user_id)
        if message.from_oa and message.delivered is not None and message.seen is None
    ]
    world.record("message_read", user_id=person.user_id, ids=ids)
    if person.on_mobile and ids:
        events.raise_oa_event(world, person, "user_seen_message", message={"msg_ids": ids})
    return web.json_response({"message_ids": ids})


async def tap(request: web.Request) -> web.Response:
    """Tap a button of a template message."""
    world, person, tapped = (
        request.app[WORLD],
        _find_person(request),
        await parse_request(request, TapRequest),
    )
    message = _find_message(request, tapped.message_id)
    offered = message.content.get("buttons") or []
    if not 0 <= tapped.button < len(offered):
        raise bad_request("no such button")
    button = offered[tapped.button]
    world.record("tapped", user_id=person.user_id, id=message.id, button=button)
    _raise_button_event(world, message, button)
    return _person_response(person)


def _raise_button_event(world: World, message: Message, button: dict[str, Any]) -> None:
    """The event of a tap on a template's button."""
    details = {
        "submit_time": events.milliseconds(world.clock()),
        "button_type": str(button["type"]),
        "data": str(button.get("content", "")),
        "tracking_id": message.tracking_id,
    }
    body = {"message": details, "msg_id": message.id, "oa_id": OA_ID}
    events.raise_event(world, "user_click_response_button", body, events.ZNS_SERVER)


async def rate(request: web.Request) -> web.Response:
    """Rate the subject of a template message."""
    world, rating = request.app[WORLD], await parse_request(request, RateRequest)
    message = _find_message(request, rating.message_id)
    answers = rating.model_dump(exclude={"message_id"})
    feedback = answers | {"submit_time": events.milliseconds(world.clock())}
    world.record("feedback_given", id=message.id, feedback=feedback)
    more = {"rating_type": "star", "option": "", "msg_id": message.id}
    event = {**feedback, **more, "tracking_id": message.tracking_id}
    events.raise_event(
        world, "user_feedback", {"message": event, "oa_id": OA_ID}, events.ZNS_SERVER
    )
    return web.json_response(event)


async def withdraw(request: web.Request) -> web.Response:
    """Ask for the erasure of personal data."""
    world, person = request.app[WORLD], _find_person(request)
    world.record("withdrew", user_id=person.user_id)
    who = {"user_id": person.user_id, "user_id_by_app": person.user_id_by_app}
    events.raise_account_event(world, "user_withdraw", **who)
    return _person_response(person)


async def share(request: web.Request) -> web.Response:
    world, person, asked = (
        request.app[WORLD],
        _find_person(request),
        await parse_request(request, ShareRequest),
    )
    shared = asked.model_dump(exclude_defaults=True)
    world.record("person_set", person={"user_id": person.user_id, "shared": shared})
    world.record("tapped", user_id=person.user_id, id="", button={"type": "user_info"})
    events.raise_user_event(world, person, "user_submit_info", info=shared)
    return _person_response(person)


async def chat_now(request: web.Request) -> web.Response:
    """Tap the button "Nhắn tin" of the profile."""
    world, person = request.app[WORLD], _find_person(request)
    world.record("tapped", user_id=person.user_id, id="", button={"type": "chatnow"})
    who = {"user_id": person.user_id, "user_id_by_app": person.user_id_by_app}
    events.raise_account_event(world, "user_click_chatnow", **who)
    return _person_response(person)


def _find_person(request: web.Request) -> Person:
    person = request.app[WORLD].people.by_id.get(request.match_info["user_id"])
    if person is None:
        raise bad_request("nobody has this user_id")
    return person


def _find_message(request: web.Request, id: str) -> Message:
    """A message of this person."""
    message = request.app[WORLD].conversations.messages.get(id)
    if message is None or message.user_id != request.match_info["user_id"]:
        raise bad_request("this person has no such message")
    return message


def _person_response(person: Person) -> web.Response:
    return web.json_response(_person_state(person))


def _person_state(person: Person) -> dict[str, Any]:
    return vars(person) | {"user_id_by_app": person.user_id_by_app}
