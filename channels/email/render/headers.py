"""Vietnamese text in mail headers, as encoded words that every decoder joins again.

The standard library's folder loses or adds spaces between encoded words (Python 3.11 to 3.13), and
its parser decodes encoded words inside a title. Therefore text is encoded here.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import EmailPolicy
from typing import Any

from channels.email.header_injection import check_header_text

_LINE_MAX = 76
_ENCODED_WORD_FRAME = len("=?utf-8?b??=")
_PLAIN_PHRASE = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+)*")
_PLAIN_TEXT = re.compile(r"[!-~]+(?: [!-~]+)*")


class EncodedHeader(str):
    """A header value in its final form: checked, encoded and folded."""

    __slots__ = ()


def _encoded_words(header: str, value: str) -> str:
    """*value* as encoded words, one a line, cut between characters."""
    raw, start, words = value.encode(), 0, []
    longest = (_LINE_MAX - len(header) - 2 - _ENCODED_WORD_FRAME) // 4 * 3
    while start < len(raw):
        end = min(start + longest, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end -= 1
        words.append(f"=?utf-8?b?{b64encode(raw[start:end]).decode('ascii')}?=")
        start = end
    return "\r\n ".join(words)


def _encode(header: str, value: str, plain: re.Pattern[str]) -> str:
    """Encode *value* unless it is short and *plain*. Raises UnsafeHeader."""
    checked = check_header_text(header, value)
    short = len(header) + len(checked) < _LINE_MAX
    as_is = short and "=?" not in checked and plain.fullmatch(checked)
    return checked if as_is else _encoded_words(header, checked)


def encode_text(header: str, value: str) -> EncodedHeader:
    """Encode a subject or the like. Raises UnsafeHeader."""
    return EncodedHeader(_encode(header, value, _PLAIN_TEXT))


def encode_mailbox(header: str, name: str, address: str) -> EncodedHeader:
    """Encode a display name, possibly empty, and a checked address. Raises UnsafeHeader."""
    if not name:
        return EncodedHeader(address)
    shown = _encode(header, name, _PLAIN_PHRASE)
    fits = len(header) + len(shown.rpartition("\n")[2]) + len(address) < _LINE_MAX - len(":  <>")
    return EncodedHeader(f"{shown} <{address}>" if fits else f"{shown}\r\n <{address}>")


class EncodedHeaderPolicy(EmailPolicy):
    """Writes an EncodedHeader unchanged; the library folds all other headers well."""

    def header_store_parse(self, name: str, value: Any) -> tuple[str, Any]:
        if isinstance(value, EncodedHeader):
            return name, value
        return super().header_store_parse(name, value)

    def header_fetch_parse(self, name: str, value: Any) -> Any:
        is_final = isinstance(value, EncodedHeader)
        return value if is_final else super().header_fetch_parse(name, value)

    def fold_binary(self, name: str, value: Any) -> bytes:
        if isinstance(value, EncodedHeader):
            return f"{name}: {value}{self.linesep}".encode("ascii")
        return super().fold_binary(name, value)


_POLICY = EncodedHeaderPolicy(linesep="\r\n")


def new_message(fields: Mapping[str, EncodedHeader]) -> EmailMessage:
    """A message with those of *fields* that have a value."""
    message = EmailMessage(policy=_POLICY)
    for name, value in fields.items():
        if value:
            message[name] = value
    return message
