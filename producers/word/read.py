"""A `.docx` as Markdown; runs in a process of its own (`producers.word.worker`)."""

import io

import mammoth

from producers.html_to_markdown import Converted, to_markdown
from producers.html_to_markdown.errors import TableTooLarge, TooNested
from producers.html_to_markdown.tables import CELLS_MAX, COLUMNS_MAX
from producers.word.errors import DocumentRefused
from producers.word.limits import DEPTH_MAX
from producers.word.package import by_root, read_parts, write_parts
from producers.word.prepare import prepare

_STYLES = """
p[style-name='Title'] => h1:fresh
p[style-name='Quote'] => blockquote > p:fresh
p[style-name='Intense Quote'] => blockquote > p:fresh
u => u
strike => s
"""


def read_document(data: bytes) -> Converted:
    """Convert a document and count what it loses. Raises DocumentRefused."""
    parts = read_parts(data)
    if not by_root(parts, "document"):
        raise DocumentRefused("not_docx")
    losses = prepare(parts)
    try:
        converted = to_markdown(_html(write_parts(parts)))
    except TooNested as refused:
        raise DocumentRefused("too_nested", part="HTML", max=DEPTH_MAX) from refused
    except TableTooLarge as refused:
        raise DocumentRefused("table_too_large", columns=COLUMNS_MAX, cells=CELLS_MAX) from refused
    if not converted.markdown:
        raise DocumentRefused("no_words")
    return Converted(converted.markdown, +(converted.losses + losses))


def _html(package: bytes) -> str:
    """mammoth's HTML; pictures have no address yet, and files outside are never read."""
    result = mammoth.convert_to_html(
        io.BytesIO(package),
        style_map=_STYLES,
        include_embedded_style_map=False,
        convert_image=mammoth.images.img_element(lambda _: {}),
        external_file_access=False,
    )
    return str(result.value)
