"""Conversion between Markdown and what the visual editor shows, for its requests and for forms."""

import asyncio
import math
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from contracts.catalog import load_texts
from contracts.errors import FieldError, Invalid
from producers.desk.visit import Visit
from producers.html_to_markdown import Converted, to_markdown
from producers.html_to_markdown.back import editor_html
from producers.html_to_markdown.errors import TableTooLarge, TooNested
from producers.html_to_markdown.tables import CELLS_MAX, COLUMNS_MAX
from producers.word import ConvertedDocument, loss_texts

_TEXTS = Path(__file__).with_name("texts.toml")


def editor_texts() -> Mapping[str, Any]:
    return load_texts(_TEXTS)


async def paste(visit: Visit) -> Response:
    """The clipboard's HTML, cleaned to what Markdown can say, and what it lost."""
    if refused := too_many_requests(visit):
        return refused
    try:
        converted = await _convert(visit.value("html"))
    except Invalid as wrong:
        return refusal(wrong)
    said = told_losses(ConvertedDocument(markdown=converted.markdown, lost=converted.losses))
    return JSONResponse({"html": editor_html(converted.markdown), "losses": said})


async def turn(visit: Visit) -> Response:
    """The other form of a text: Markdown of `html`, or HTML of `markdown`."""
    if refused := too_many_requests(visit):
        return refused
    if "html" not in visit.form:
        html = await asyncio.to_thread(editor_html, visit.value("markdown"))
        return JSONResponse({"html": html})
    try:
        converted = await _convert(visit.value("html"))
    except Invalid as wrong:
        return refusal(wrong)
    return JSONResponse({"markdown": converted.markdown})


async def settle_markdown(visit: Visit, name: str = "body") -> None:
    """Give a field that was written in the visual editor its Markdown. Raises Invalid."""
    written = f"{name}_html"
    if written in visit.form:
        markdown = (await _convert(visit.value(written), name)).markdown
        others = {one: values for one, values in visit.form.items() if one != written}
        visit.form = others | {name: [markdown]}


async def _convert(html: str, field: str = "body") -> Converted:
    """HTML as Markdown, in a thread. Raises Invalid for what would cost too much."""
    try:
        return await asyncio.to_thread(to_markdown, html)
    except (TooNested, TableTooLarge) as refused:
        name = "too_nested" if isinstance(refused, TooNested) else "table_too_large"
        said = editor_texts()["refused"][name].format(columns=COLUMNS_MAX, cells=CELLS_MAX)
        raise Invalid(FieldError(field=field, message=name, message_vi=said)) from refused


def told_losses(document: ConvertedDocument) -> list[str]:
    """The losses of a text, a sentence for each kind."""
    said = (one.message_vi for one in loss_texts("", document))
    return [f"{one[:1].upper()}{one[1:]}." for one in said]


def refusal(refused: Invalid) -> Response:
    """Why a request of the editor was refused, as its status line shows it."""
    message = " ".join(one.message_vi for one in refused.errors)
    return JSONResponse({"message": message}, HTTPStatus.UNPROCESSABLE_ENTITY)


def too_many_requests(visit: Visit, cost: float = 1) -> Response | None:
    """The answer to an account that asks too often; None to others."""
    after_s = visit.desk.conversions.take(visit.visitor.account.id, cost)
    if not after_s:
        return None
    headers = {"Retry-After": str(math.ceil(after_s))}
    said = editor_texts()["refused"]["later"]
    return JSONResponse({"message": said}, HTTPStatus.TOO_MANY_REQUESTS, headers)
