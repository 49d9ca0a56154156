"""Text typed into a form that was refused: it is shown again, so that it is not lost."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from contracts.desk.kept_texts import NEW_ITEM
from contracts.errors import Invalid
from producers.desk.editor.conversion import settle_markdown
from producers.desk.visit import Visit
from producers.desk.web_session import is_own_request, is_sealed
from producers.pages.file_forms import is_file_form, read_fields
from producers.pages.forms import FORM_BYTES, read_form

_TEXT = ("title", "short_title", "summary", "body", "body_html", "reason")
_INTERRUPTION = tuple(
    f"interruption.{one}" for one in ("services", "cause", "alternative", "force_majeure")
)
_EVENT = tuple(f"f.data.{one}" for one in _TEXT)
_WRITTEN = frozenset((*_TEXT, *_INTERRUPTION, *_EVENT, "author", "f.event", "note", "new_title"))
_LISTED = ("cover.", "links.", "attachments.")
"""Fields with words that people write; no other one is shown again."""


@dataclass(frozen=True)
class TypedText:
    """The words of a form. `path` takes its `fields` and opens the form again with them."""

    words: str = ""
    path: str = ""
    fields: Sequence[tuple[str, str]] = ()


async def find_typed(
    visit: Visit, *, opens_again: bool = False, converts: bool = True
) -> TypedText:
    """The text typed into the form of *visit*; nothing where no page of the desk sent it.

    A text of the visual editor is Markdown, if it *converts* without an error.
    """
    if not _is_form_of_desk(visit):
        return TypedText()
    with suppress(HTTPException, ClientDisconnect):
        await _read_late(visit)
    if converts:
        await _settle(visit)
    words = "\n\n".join(filter(None, (visit.value(one) for one in visit.form if _is_written(one))))
    is_text = words and "act_id" in visit.form and "title" in visit.form
    if not (is_text and opens_again):
        return TypedText(words)
    content_id = visit.request.path_params.get("content_id", NEW_ITEM)
    return TypedText(words, f"/soan/{content_id}/kiem-tra", visit.kept_fields)


def _is_form_of_desk(visit: Visit) -> bool:
    """Whether a page sent a form; what a script sends stays on its page."""
    method, headers = visit.request.method, visit.request.headers
    is_page = method == "POST" and headers.get("sec-fetch-dest") != "empty"
    return is_page and is_own_request(method, headers, visit.desk.url)


async def _read_late(visit: Visit) -> None:
    """Read a form that was refused unread. Raises HTTPException.

    A long one is read of who has a session or had one, so often from each network.
    """
    if visit.is_form_read:
        return
    visit.is_form_read = True
    had_session = visit.desk.cookie.read(visit.request)
    is_known = visit.person or (had_session and not visit.desk.late_forms.take(visit.network))
    read = read_fields if is_file_form(visit.request) else read_form
    visit.form = await read(visit.request, visit.form_bytes if is_known else FORM_BYTES)


async def _settle(visit: Visit) -> None:
    """Give the form its Markdown, where a session that is or was one gave the page."""
    name = visit.person.account.id if visit.person else visit.network
    path, seal = visit.request.url.path, visit.value("seal")
    is_ours = visit.person or is_sealed(visit.desk.services.seal_key, visit.token, path, seal)
    if is_ours and not visit.desk.conversions.take(name):
        with suppress(Invalid):
            await settle_markdown(visit)


def _is_written(name: str) -> bool:
    return name in _WRITTEN or name.startswith(_LISTED)
