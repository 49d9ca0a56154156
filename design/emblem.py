"""The operator's emblem: a file that browsers show."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

from lxml import etree
from PIL import Image
from pydantic_core import PydanticCustomError

_SUFFIXES = (".png", ".svg", ".webp")
_RASTER_FORMATS = ("PNG", "WEBP", "JPEG", "GIF")
"""Picture formats, which browsers recognise by the first bytes of a file."""
_SVG_ROOT = "{http://www.w3.org/2000/svg}svg"
_DECODER_ERRORS = (
    *(OSError, SyntaxError, EOFError, struct.error, zlib.error, etree.XMLSyntaxError),
    *(ValueError, TypeError, LookupError, Image.DecompressionBombError),
)


def check_emblem(file: Path) -> Path:
    """*file*, decoded once. Raises PydanticCustomError for a file that browsers can't show."""
    suffix = file.suffix.lower()
    try:
        shown = suffix in _SUFFIXES and _is_shown(suffix, file.read_bytes())
    except _DECODER_ERRORS:
        shown = False
    if not shown:
        raise PydanticCustomError("setting_emblem", "not a picture")
    return file


def _is_shown(suffix: str, body: bytes) -> bool:
    """Whether *body* decodes. Raises what decoders raise for malformed bytes."""
    if suffix == ".svg":
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
        return etree.fromstring(body, parser).tag == _SVG_ROOT
    with Image.open(BytesIO(body), formats=_RASTER_FORMATS) as image:
        image.load()
    return True
