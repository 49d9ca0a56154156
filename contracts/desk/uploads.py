"""Files that officials upload: kinds, safe names, addresses, and where a text names them.

An item names a file by its address: as cover, as attachment, as link, or in its body. The address
holds the SHA-256 of the content, so that no other content ever comes from it.
"""

import json
import re
import unicodedata
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, unquote

from contracts import text
from contracts.base.security_headers import content_policy
from contracts.content import Content
from contracts.desk.person import ActingPerson

FOLDER = "tep"
"""The first part of the path of every upload, at the desk and on the portal."""
FILE_MAX_MB = 20
FILE_MAX = FILE_MAX_MB << 20
MEDIA_TYPES: Mapping[str, str] = {
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    ".odt": "application/vnd.oasis.opendocument.text",
    ".ods": "application/vnd.oasis.opendocument.spreadsheet",
    ".odp": "application/vnd.oasis.opendocument.presentation",
    ".doc": "application/msword",
    ".xls": "application/vnd.ms-excel",
}
"""Kinds of files that may be uploaded, by the ending of the name, as the content has it."""
_SHOWN = frozenset({".jpg", ".png", ".pdf"})
"""Kinds that a browser may show; it saves all others."""
_PICTURES = frozenset({".jpg", ".png"})
_STEM_LETTERS, _STEM_BYTES = 80, 180
_WITHOUT_NAME = "tep"
_DEVICES = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)", re.I)
"""Names that Windows gives to devices, whatever their ending."""
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,5}$")
_HASH = r"[0-9a-f]{64}"
_NAMED = re.compile(rf"/{FOLDER}/({_HASH})/([^\s()<>\"'\[\]\\?#/]+)")
_EDGES = "-_."


class UploadAddress(NamedTuple):
    """The hash of a file's content, and its safe name."""

    hash: str
    name: str

    @property
    def path(self) -> str:
        """The path at the desk and on the portal, quoted for an address."""
        return f"/{FOLDER}/{self.hash}/{quote(self.name, safe='')}"

    @property
    def file(self) -> str:
        """The path of the file below the portal's folder."""
        return f"{FOLDER}/{self.hash}/{self.name}"

    @property
    def ending(self) -> str:
        return Path(self.name).suffix

    @property
    def media_type(self) -> str:
        return MEDIA_TYPES[self.ending]

    @property
    def is_picture(self) -> bool:
        return self.ending in _PICTURES


class UploadFacts(NamedTuple):
    """An upload as pages, scripts and texts name it. `path`: the address without the host."""

    url: str
    path: str
    name: str
    media_type: str
    size: int
    is_picture: bool
    markdown: str

    def as_attachment(self, title: str) -> dict[str, Any]:
        """The entry of an item's attachments."""
        return {"url": self.url, "title": title, "media_type": self.media_type, "size": self.size}


class Upload(NamedTuple):
    """A stored file."""

    address: UploadAddress
    size: int

    def facts(self, public_url: str) -> UploadFacts:
        """The file at the portal's address *public_url*."""
        address, url = self.address, public_url + self.address.path
        mark = "!" if address.is_picture else ""
        return UploadFacts(
            url=url,
            path=address.path,
            name=address.name,
            media_type=address.media_type,
            size=self.size,
            is_picture=address.is_picture,
            markdown=f"{mark}[{address.name}]({url})",
        )


class UploadService(Protocol):
    """Keeps files. Every method raises BusError."""

    async def add(self, person: ActingPerson, file: Path, name: str) -> Upload:
        """Check *file*, which the caller removes afterwards, and keep it.

        Raises ContractError for a file that is refused, or can't be checked now.
        """
        ...

    async def size(self, address: UploadAddress) -> int | None:
        """The size of a file; None if it is not kept."""
        ...

    def read(self, address: UploadAddress) -> AsyncIterator[bytes]:
        """The content of a file in pieces; none if it is not kept."""
        ...


def file_headers(ending: str) -> dict[str, str]:
    """Headers that let a browser show or save a file, and nothing else.

    A PDF has no sandbox: Safari shows an empty window for some, and Chromium's viewer, which runs
    apart from the page, looks at no policy of a PDF.
    """
    how = "inline" if ending in _SHOWN else "attachment"
    policy = content_policy() if ending == ".pdf" else content_policy(sandbox="")
    return {"Content-Disposition": how, **policy}


def parse_address(hash: str, name: str) -> UploadAddress | None:
    """The address of a file; None unless the name is safe and has an ending of `MEDIA_TYPES`."""
    ending = Path(name).suffix
    is_safe = ending in MEDIA_TYPES and name == safe_name(name, ending)
    return UploadAddress(hash, name) if is_safe and re.fullmatch(_HASH, hash) else None


def parse_file(file: str) -> UploadAddress:
    """The address of `UploadAddress.file`."""
    _, hash, name = file.split("/")
    return UploadAddress(hash, name)


def safe_name(name: str, ending: str) -> str:
    """A name for a file, from one that a browser sent, with the ending of its content.

    Letters stay, Vietnamese ones composed; all that a system could read as something else goes.
    """
    last = re.split(r"[/\\]", name)[-1]
    composed = text.nfc(last[:1000]).replace("\u00d0", "Đ")
    kept = "".join(map(_safe_character, _ENDING.sub("", composed)))
    stem = re.sub("-+", "-", text.nfc(kept)).strip(_EDGES)[:_STEM_LETTERS]
    stem = stem.encode()[:_STEM_BYTES].decode(errors="ignore").strip(_EDGES)
    if not stem or _DEVICES.fullmatch(stem):
        stem = f"{_WITHOUT_NAME}-{stem}".rstrip("-")
    return stem + ending


def _safe_character(character: str) -> str:
    kind = unicodedata.category(character)
    if kind[0] in "LN" or character == "_":
        return character
    return "" if kind in ("Mn", "Me", "Mc", "Cf", "Cs", "Co", "Cn") else "-"


def named_in(texts: Iterable[str]) -> list[UploadAddress]:
    """The files that *texts* name, each once, in order."""
    pairs = (found for one in texts for found in _NAMED.findall(one))
    addresses = (parse_address(hash, unquote(name).rstrip(".,;:!")) for hash, name in pairs)
    return list(dict.fromkeys(one for one in addresses if one))


def named_by_fields(data: Mapping[str, Any]) -> list[tuple[str, UploadAddress]]:
    """The files that the data of an event name, each with the field that does."""
    texts = ((name, json.dumps(value, ensure_ascii=False)) for name, value in data.items())
    return [(name, address) for name, text in texts for address in named_in([text])]


def named_by(content: Content) -> list[UploadAddress]:
    """The files of an item: its cover, attachments and links, and what its body names."""
    cover = [content.cover.url] if content.cover else []
    linked = [one.url for one in content.attachments] + [one.url for one in content.links]
    return named_in([*cover, *linked, getattr(content, "body", "")])
