"""The preview of an item: a page, and the channels' documents in frames without any rights."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import HTMLResponse, Response

from contracts.base.security_headers import content_policy
from contracts.desk.previews import Document, ItemPreview
from contracts.errors import Invalid
from producers.desk.delivery.wanted import READER, REVISION, wanted_item
from producers.desk.rendering import desk_texts
from producers.desk.visit import Visit

_DOCTYPE = "<!doctype html>\n"
_INERT_LINKS = '<base target="_blank">'
"""A frame may open no window, so that no link of a document leads anywhere."""
_DOCUMENT = "kieu"


async def show_preview(visit: Visit) -> Response:
    """The item on every channel; `?ban=` names a revision."""
    wanted = wanted_item(visit)
    try:
        item = await visit.desk.services.previews.preview(wanted)
    except Invalid as unfinished:
        return visit.refused_page("not_shown.html", unfinished, asked="preview")
    mails = {mail.reader: mail for mail in item.mails}
    mail = mails.get(wanted.reader) or next(iter(mails.values()), None)
    sources = _sources(item, mail.reader if mail else "")
    readers = _readers(item)
    page = visit.page("preview.html", item=item, mail=mail, sources=sources, readers=readers)
    page.headers.update(
        content_policy(
            style_src="'self'",
            img_src=_picture_sources(visit),
            form_action="'self'",
            frame_src="'self'",
        )
    )
    return page


async def show_document(visit: Visit) -> Response:
    """One document of a channel, for a frame of the preview.

    Styles and pictures may load; no script, and no form. Its origin is the desk's: a browser sends
    the session with no picture of a frame that has another, and uploads are for readers alone.
    """
    asked = visit.request.query_params.get(_DOCUMENT, "")
    document = Document(asked) if asked in set(Document) else Document.PORTAL
    html = await visit.desk.services.previews.document(wanted_item(visit), document)
    if document is Document.FEED:
        whole = bytes(visit.page("feed_entry.html", entry=html).body).decode()
        html = f"{_DOCTYPE}{whole}"
    policy = content_policy(
        style_src="'self' 'unsafe-inline'",
        img_src=_picture_sources(visit),
        frame_ancestors="'self'",
        sandbox="allow-same-origin",
    )
    return HTMLResponse(_with_inert_links(visit.own_address(html)), headers=policy)


def _picture_sources(visit: Visit) -> str:
    """The desk's own pictures, and those of the portal: no other host learns who reads."""
    return f"'self' {visit.desk.services.previews.picture_host}"


def _sources(item: ItemPreview, reader: str) -> Mapping[str, str]:
    """The address of each document."""
    path = f"/tin/{quote(item.content_id)}/xem-truoc/khung"
    asked: dict[str, Any] = {REVISION: item.revision, READER: reader}
    return {one.name.lower(): f"{path}?{urlencode({**asked, _DOCUMENT: one})}" for one in Document}


def _readers(item: ItemPreview) -> list[tuple[str, str]]:
    """The address and the name of each kind of readers whose mail differs."""
    names: Mapping[str, str] = desk_texts()["preview"]["reader"]
    asked = [(one, {REVISION: item.revision, READER: one.reader}) for one in item.mails]
    return [(f"?{urlencode(query)}#thu", names[one.reader]) for one, query in asked]


def _with_inert_links(html: str) -> str:
    return html.replace("<head>", f"<head>{_INERT_LINKS}", 1)
