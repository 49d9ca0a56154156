"""Mails compiled to bytes once, with placeholders for each recipient's values."""

import re
from binascii import b2a_qp
from collections.abc import Mapping
from enum import StrEnum

_LINE_END = re.compile("\r\n?")
_SOFT_LINE_BREAK = b"=\r\n"
"""A soft line break: it keeps a slot on a line of its own, so that no value makes one too long."""


class Placeholder(StrEnum):
    """A value per recipient; from UNSUBSCRIBE_TOKEN_BODY on, in quoted-printable bodies."""

    TO = "to"
    MESSAGE_ID = "messageid"
    REFERENCES = "thread"
    IN_REPLY_TO = "last"
    SUBJECT = "subject"  # a digest's: it says how many items there are
    UNSUBSCRIBE_TOKEN = "link"  # noqa: S105 - the token of the unsubscribe link
    UNSUBSCRIBE_TOKEN_BODY = "linkbody"  # noqa: S105
    NAME_TEXT = "nametext"
    NAME_HTML = "namehtml"
    ITEMS_TEXT = "itemstext"  # a digest's items, joined
    ITEMS_HTML = "itemshtml"


class Placeholders:
    """Markers of placeholders; *seed* must be unpredictable for authors."""

    def __init__(self, seed: str) -> None:
        self.prefix = f"loa{seed}x"

    def marker(self, placeholder: Placeholder) -> str:
        return f"{self.prefix}{placeholder}Z"

    def split(self, text: bytes) -> list[bytes]:
        """Text before the first marker, its placeholder, text after the marker, and so on."""
        first, *rest = text.split(self.prefix.encode())
        pieces = [piece.partition(b"Z") for piece in rest]
        return [first, *(part for slot, _, text in pieces for part in (slot, text))]


class CompiledMail:
    """Pieces of a whole mail, cut at its markers; dots doubled, line ends CRLF."""

    def __init__(self, mail: bytes, placeholders: Placeholders) -> None:
        self.pieces = pieces = placeholders.split(dot_stuffed(mail))
        self.placeholders = tuple(
            (n, Placeholder(pieces[n].decode())) for n in range(1, len(pieces), 2)
        )

    def fill(self, values: Mapping[Placeholder, bytes]) -> bytes:
        """Mail of one recipient. Raises KeyError for a placeholder without a value."""
        pieces = list(self.pieces)
        for number, slot in self.placeholders:
            pieces[number] = values[slot]
        return b"".join(pieces)


def dot_stuffed(mail: bytes) -> bytes:
    """Double leading dots and end the last line, as DATA requires."""
    return _double_dots(mail if mail.endswith(b"\r\n") else mail + b"\r\n")


def encode_body(text: str, placeholders: Placeholders) -> str:
    """*text* as quoted-printable; every marker has a line of its own."""
    pieces = placeholders.split(_LINE_END.sub("\n", text).encode())
    out = [_quoted_printable(pieces[0])]
    for slot, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        marker = placeholders.marker(Placeholder(slot.decode())).encode()
        out += [_SOFT_LINE_BREAK, marker, _SOFT_LINE_BREAK, _quoted_printable(piece)]
    return b"".join(out).decode("ascii")


def encode_value(text: bytes) -> bytes:
    """A placeholder's value in a quoted-printable body, with dots doubled."""
    return _double_dots(_quoted_printable(text))


def _quoted_printable(text: bytes) -> bytes:
    return b2a_qp(text).replace(b"\n", b"\r\n")


def _double_dots(lines: bytes) -> bytes:
    doubled = lines.replace(b"\r\n.", b"\r\n..")
    return b"." + doubled if doubled.startswith(b".") else doubled
