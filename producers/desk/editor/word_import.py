"""Import of a Word document into the form of a text; the form comes back with what was typed."""

import asyncio

from starlette.responses import Response

from contracts.desk.uploads import FILE_MAX_MB
from contracts.errors import FieldError, Invalid
from producers.desk import rendering
from producers.desk.editor.conversion import (
    editor_texts,
    settle_markdown,
    told_losses,
    too_many_requests,
)
from producers.desk.editor.keeping import form_path, keep_form
from producers.desk.visit import Visit
from producers.word import ConvertedDocument, convert_document

LOST, WRONG = "docx_lost", "docx_wrong"
"""Fields of a kept form: what the document lost, and why it was not read."""
_COST = 10
"""A document may take ten seconds of work."""


async def add_document(visit: Visit) -> Response:
    """Put the document's text behind the form's own. Raises Invalid."""
    if refused := too_many_requests(visit, _COST):
        return refused
    content_id = visit.request.path_params["content_id"]
    await settle_markdown(visit)
    typed = {name: values for name, values in visit.form.items() if name not in (LOST, WRONG)}
    try:
        document = await _convert(visit)
        lost = told_losses(document)
        body = _joined(visit.value("body"), document.markdown)
        visit.form = typed | {"body": [body], LOST: lost}
        await keep_form(visit, content_id)
    except Invalid as wrong:
        visit.form = typed | {WRONG: [one.message_vi for one in wrong.errors]}
        await keep_form(visit, content_id)
    return rendering.redirect(f"{form_path(content_id)}?giu-tam=1#nhap-word")


async def _convert(visit: Visit) -> ConvertedDocument:
    """Raises Invalid without a document, and for one that can't be read."""
    file = visit.file
    if file is None:
        code = "too_large" if visit.is_file_too_large else "none"
        said = editor_texts()["word"][code].format(max_mb=FILE_MAX_MB)
        raise Invalid(FieldError(field="docx", message=code, message_vi=said))
    data = await asyncio.to_thread(file.path.read_bytes)
    return await asyncio.to_thread(convert_document, "docx", data)


def _joined(before: str, added: str) -> str:
    return f"{before.rstrip()}\n\n{added}" if before.strip() else added
