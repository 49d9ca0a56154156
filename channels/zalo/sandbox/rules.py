"""What the sandbox accepts as an article."""

from collections.abc import Mapping
from typing import Any

from channels.zalo.lengths import units
from channels.zalo.sandbox.switches import Rules
from channels.zalo.sandbox.wire import Refusal

PARTS = {"text": "content", "image": "url", "video": "url", "product": "id"}


def check(payload: Mapping[str, Any], rules: Rules) -> None:
    """Raises Refusal in Zalo's words."""
    if payload.get("type") != "normal":
        raise Refusal(-201, "type is invalid!")
    length(payload, "title", 1, 150, rules)
    length(payload, "description", 1, 300, rules)
    if units(str(payload.get("author", ""))) > 50:
        raise Refusal(-201, "author is invalid!")
    cover(payload.get("cover"))
    body(payload.get("body"))
    if payload.get("status", "hide") not in ("show", "hide"):
        raise Refusal(-201, "status is invalid!")


def length(payload: Mapping[str, Any], name: str, least: int, most: int, rules: Rules) -> None:
    text = payload.get(name)
    bound = most - 1 if rules.exclusive_lengths else most
    if not isinstance(text, str) or not least <= units(text) <= bound:
        raise Refusal(-201, f"{name} allow {least} to {most} characters")


def cover(given: object) -> None:
    if not isinstance(given, dict) or given.get("cover_type") not in ("photo", "video"):
        raise Refusal(-201, "cover value is invalid")
    if given.get("status") not in ("show", "hide"):
        raise Refusal(-201, "create media fail")
    if given["cover_type"] == "photo" and not fetchable(given.get("photo_url")):
        raise Refusal(-201, "photo_url is invalid!")


def fetchable(url: object) -> bool:
    plain = isinstance(url, str) and url.isascii() and " " not in url
    return plain and str(url).startswith(("http://", "https://"))


def body(parts: object) -> None:
    if not isinstance(parts, list) or not parts:
        raise Refusal(-201, "body is invalid!")
    for part in parts:
        needed = PARTS.get(part.get("type", "")) if isinstance(part, dict) else None
        if not needed or not part.get(needed):
            raise Refusal(-201, "body is invalid!")


def broken(payload: Mapping[str, Any], rules: Rules) -> bool:
    """Whether one of its pictures can't be fetched."""
    images = [part.get("url", "") for part in payload["body"] if part["type"] == "image"]
    images.append(payload["cover"].get("photo_url", ""))
    return any(mark in image for image in images for mark in rules.broken_images)
