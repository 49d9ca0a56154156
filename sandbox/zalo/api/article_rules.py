"""Checks of articles."""

from collections.abc import Mapping
from typing import Any

from contracts.text.limits import utf16_units
from sandbox.zalo.errors import ApiError
from sandbox.zalo.state.rules import Rules

_REQUIRED_BY_PART = {"text": "content", "image": "url"}


def check_article(payload: Mapping[str, Any]) -> None:
    """Raises ApiError with Zalo's text."""
    if payload.get("type") != "normal":
        raise ApiError(-201, "type is invalid!")
    _check_length(payload, "title", 150)
    _check_length(payload, "description", 300)
    if utf16_units(str(payload.get("author", ""))) > 50:
        raise ApiError(-201, "author is invalid!")
    _check_cover(payload.get("cover"))
    _check_body(payload.get("body"))
    if payload.get("status", "hide") not in ("show", "hide"):
        raise ApiError(-201, "status is invalid!")


def _check_length(payload: Mapping[str, Any], name: str, most: int) -> None:
    """The documented maximum itself is refused, as observed."""
    text = payload.get(name)
    if not isinstance(text, str) or not 1 <= utf16_units(text) < most:
        raise ApiError(-201, f"{name} allow 1 to {most} characters")


def _check_cover(cover: object) -> None:
    if not isinstance(cover, dict) or cover.get("cover_type") != "photo":
        raise ApiError(-201, "cover value is invalid")
    if cover.get("status") not in ("show", "hide"):
        raise ApiError(-201, "create media fail")
    if not _is_fetchable(cover.get("photo_url")):
        raise ApiError(-201, "photo_url is invalid!")


def _is_fetchable(url: object) -> bool:
    plain = isinstance(url, str) and url.isascii() and " " not in url
    return plain and str(url).startswith(("http://", "https://"))


def _check_body(parts: object) -> None:
    if not isinstance(parts, list) or not parts:
        raise ApiError(-201, "body is invalid!")
    for part in parts:
        needed = _REQUIRED_BY_PART.get(part.get("type", "")) if isinstance(part, dict) else None
        if not needed or not part.get(needed):
            raise ApiError(-201, "body is invalid!")


def has_broken_image(payload: Mapping[str, Any], rules: Rules) -> bool:
    """Whether one of the article's pictures cannot be fetched."""
    images = [part.get("url", "") for part in payload["body"] if part["type"] == "image"]
    images.append(payload["cover"].get("photo_url", ""))
    return any(mark in image for image in images for mark in rules.broken_images)
