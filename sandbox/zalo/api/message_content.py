"""What the sandbox accepts as a one-to-one message, and what its recipient then sees of it."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.zalo.middleware import ApiError
from sandbox.zalo.state.templates_and_uploads import UPLOAD_LIFE_S, Upload
from sandbox.zalo.state.world import World

TEXT_MAX, TITLE_MAX, SUBTITLE_MAX = 2000, 100, 500
BUTTONS_MAX, LIST_MAX, QUERY_MAX, SMS_MAX = 5, 5, 1000, 160
MEDIA = {"image": "image", "gif": "gif", "sticker": ""}
"""What may stand in a message, and as what it must have been uploaded."""

Content = tuple[str, dict[str, Any]]
"""The sort of message, and what is shown."""


def parse_message(world: World, message: object, old: bool) -> Content:
    """Raises Refusal in Zalo's words. Lists exist on v2 (*old*) only."""
    if not isinstance(message, Mapping):
        raise ApiError(-201, "message is invalid!")
    text = message.get("text", "")
    if not isinstance(text, str):
        raise ApiError(-201, "text is invalid!")
    check_length(text, TEXT_MAX)
    check_quoted(world, message.get("quote_message_id"))
    attachment = message.get("attachment")
    if attachment is None:
        if not text:
            raise ApiError(-201, "text is invalid!")
        return "text", {"text": text}
    sort, shown = parse_attachment(world, attachment, old)
    return sort, {"text": text, **shown} if text else shown


def check_length(text: object, most: int) -> None:
    """Counted as it came: text that is not in NFC is longer than it looks."""
    if len(str(text)) > most:
        raise ApiError(-210, "Parameter exceeds allowable limit")


def check_quoted(world: World, id: object) -> None:
    if id is not None and id not in world.conversations.messages:
        raise ApiError(-201, "quote_message_id is invalid!")


def parse_attachment(world: World, attachment: object, old: bool) -> Content:
    match attachment:
        case {"type": "file", "payload": {"token": token}}:
            upload = stored_upload(world, token, "file", "token")
            file = {"name": upload.name, "size": str(upload.size), "type": extension(upload.name)}
            return "file", {"attachments": [{"type": "file", "payload": file}]}
        case {"type": "template", "payload": {**payload}}:
            return parse_template(world, payload, old)
    raise ApiError(-201, "attachment is invalid!")


def parse_template(world: World, payload: Mapping[Any, Any], old: bool) -> Content:
    kind = payload.get("template_type")
    if kind is None and "buttons" in payload:
        return "text", {"buttons": parse_buttons(payload["buttons"])}
    elements = payload.get("elements")
    if kind == "list" and not old:
        raise ApiError(-233, "message type is invalid or not support")
    if not isinstance(elements, list) or not all(isinstance(one, Mapping) for one in elements):
        raise ApiError(-201, "elements is invalid!")
    reader = ATTACHMENT_PARSERS.get(str(kind))
    if reader is None:
        raise ApiError(-233, "message type is invalid or not support")
    sort, shown = reader(world, elements)
    more = {"buttons": parse_buttons(payload["buttons"])} if "buttons" in payload else {}
    return sort, shown | more


def parse_media(world: World, elements: list[Mapping[str, Any]]) -> Content:
    """One picture, animation or sticker: by its address, or as uploaded."""
    [element] = elements if len(elements) == 1 else [{}]
    sort = str(element.get("media_type", ""))
    if sort not in MEDIA:
        raise ApiError(-201, "media_type is invalid!")
    url, id = element.get("url"), element.get("attachment_id")
    if bool(url) == bool(id):
        raise ApiError(-201, "url is invalid!")
    if id and MEDIA[sort]:
        stored_upload(world, id, sort, "attachment_id")
    if url and any(mark in str(url) for mark in world.rules.broken_images):
        raise ApiError(-200, "Upload media failed")
    seen = {"url": str(url)} if url else {"id": str(id)}
    return sort, {"attachments": [{"type": sort, "payload": seen}]}


def stored_upload(world: World, id: object, sort: str, field: str) -> Upload:
    """The uploaded file, as long as Zalo keeps it."""
    upload = world.templates.uploads.get(id) if isinstance(id, str) else None
    if upload is None or upload.sort != sort:
        raise ApiError(-201, f"{field} is invalid!")
    if world.clock() >= upload.at + UPLOAD_LIFE_S:
        raise ApiError(-100, "attachment_id was expired")
    return upload


def parse_info_request(world: World, elements: list[Mapping[str, Any]]) -> Content:  # noqa: ARG001
    if len(elements) != 1:
        raise ApiError(-201, "elements is invalid!")
    return "request_user_info", {"elements": [parse_element(one) for one in elements]}


def parse_list(world: World, elements: list[Mapping[str, Any]]) -> Content:  # noqa: ARG001
    if not 1 <= len(elements) <= LIST_MAX or not elements[0].get("subtitle"):
        raise ApiError(-201, "elements is invalid!")
    return "list", {"elements": [parse_element(one) for one in elements]}


def parse_element(given: Mapping[str, Any]) -> dict[str, Any]:
    if not given.get("title"):
        raise ApiError(-201, "title is invalid!")
    check_length(given["title"], TITLE_MAX)
    check_length(given.get("subtitle", ""), SUBTITLE_MAX)
    return dict(given)


def parse_buttons(given: object) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not 1 <= len(given) <= BUTTONS_MAX:
        raise ApiError(-201, "buttons is invalid!")
    return [parse_button(one) for one in given]


def parse_button(given: object) -> dict[str, Any]:
    """One button with an action that Zalo knows."""
    if not isinstance(given, dict) or not given.get("title"):
        raise ApiError(-201, "buttons is invalid!")
    check_length(given["title"], TITLE_MAX)
    match given:
        case {"type": "oa.query.show" | "oa.query.hide", "payload": query}:
            check_length(query, QUERY_MAX)
        case {"type": "oa.open.sms", "payload": {"content": words, "phone_code": _}}:
            check_length(words, SMS_MAX)
        case {"type": "oa.open.url", "payload": {"url": _}}:
            pass
        case {"type": "oa.open.phone", "payload": {"phone_code": _}}:
            pass
        case _:
            raise ApiError(-201, "buttons is invalid!")
    return given


def extension(name: str) -> str:
    return name.rpartition(".")[2].lower()


ATTACHMENT_PARSERS: dict[str, Callable[[World, list[Mapping[str, Any]]], Content]] = {
    "media": parse_media,
    "request_user_info": parse_info_request,
    "list": parse_list,
}
