"""Page with the view of followers, of all of them or of one person."""

import re
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

from aiohttp import web

from contracts.base.security_headers import content_policy
from contracts.base.times import utc_time
from contracts.text.moments import format_moment_in_sentence
from design.frame import Frame, page_environment
from sandbox.zalo.controls.admin import state_summary
from sandbox.zalo.middleware import WORLD
from sandbox.zalo.state.clock import DAY_BEGINS, DAY_ENDS, MORNING
from sandbox.zalo.state.people import Person
from sandbox.zalo.state.world import World

_FOLDER = Path(__file__).parent
_TEMPLATES = _FOLDER / "templates"
_FRAME = Frame(lambda asset: f"/tep/{asset.name}", styles=(_TEMPLATES / "sandbox.css",))
_JINJA = page_environment(_TEMPLATES, _FRAME)
_HEADERS = content_policy(style_src="'self'", img_src="'self'") | {"Cache-Control": "no-store"}
_TAG = re.compile("<[^>]*>")
_LINE_BREAK = re.compile("<br ?/?>")


@dataclass(frozen=True)
class ConversationEntry:
    """One entry of a follower's conversation with the Official Account."""

    at: float
    kind: str  # broadcast, ours, theirs
    what: Any


async def show_page(request: web.Request) -> web.Response:
    """The overview; with `?user_id=` the view of one person."""
    world = request.app[WORLD]
    state = state_summary(world)
    titles = {article["id"]: article["title"] for article in state["articles"]}
    person = world.people.by_id.get(request.query.get("user_id", ""))
    if "user_id" in request.query and person is None:
        return _html_response("missing.html", status=404)
    if person is not None:
        entries = _conversation(world, person)
        return _html_response(
            "person.html", now=world.clock(), titles=titles, person=person, story=entries
        )
    clock: dict[str, Any] = {"begins": DAY_BEGINS, "ends": DAY_ENDS, "morning": MORNING}
    clock |= {"wait_min": round(world.rules.delivery_s / 60)}
    unassigned = [message for message in state["messages"] if not message["user_id"]]
    people = list(world.people.by_id.values())
    return _html_response(
        "overview.html",
        **state | {"people": people},
        titles=titles,
        elsewhere=unassigned,
        clock=clock,
    )


def _html_response(name: str, status: int = 200, **facts: Any) -> web.Response:
    html = _JINJA.get_template(name).render(**facts)
    return web.Response(text=html, status=status, content_type="text/html", headers=_HEADERS)


async def show_file(request: web.Request) -> web.Response:
    """A file that the page loads: style sheet, emblem, icon."""
    for file in _FRAME.files:
        if file.name == request.match_info["name"]:
            kind = {"Content-Type": file.media_type}
            return web.Response(body=file.body, headers={**_HEADERS, **kind})
    raise web.HTTPNotFound


def _conversation(world: World, person: Person) -> list[ConversationEntry]:
    """Messages that arrived and messages that the person wrote, newest first."""
    broadcasts = [
        ConversationEntry(sent.delivered, "broadcast", sent)
        for sent in world.broadcasts
        if sent.delivered is not None and person.user_id in sent.users
    ]
    messages = [
        ConversationEntry(one.delivered or one.at, "ours" if one.from_oa else "theirs", one)
        for one in world.conversations.messages_with(person.user_id)
        if one.delivered is not None or not one.from_oa
    ]
    return sorted(broadcasts + messages, key=lambda one: one.at)[::-1]


def _strip_tags(content: str) -> str:
    """The text of an article's part, without its tags."""
    return unescape(_TAG.sub("", _LINE_BREAK.sub("\n", content)))


def _format_time(at: float) -> str:
    return format_moment_in_sentence(utc_time(at))


_JINJA.filters.update(text=_strip_tags, moment=_format_time)
