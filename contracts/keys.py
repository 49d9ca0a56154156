"""Identity: one intent has one key for ever, which makes repeats harmless.

Other languages test their own implementation against `schemas/vectors.json`.
"""

import json
import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from typing import Any

_BYTES_PER_DIGEST, _BASE32_LENGTH = 64, 52
"""Bytes reserved per digest, and digits of its base32 form."""
_LEFT_PADDING, _RIGHT_PADDING = bytes(24), bytes(8)
_ALPHABET = bytes.maketrans(bytes(range(32)), b"abcdefghijklmnopqrstuvwxyz234567")


def base32(digests: Sequence[bytes]) -> list[str]:
    """Lower-case base32, without padding, of some digests of 32 bytes; 52 characters each."""
    lanes = b"".join([_LEFT_PADDING + digest_bytes + _RIGHT_PADDING for digest_bytes in digests])
    bits = int.from_bytes(lanes, "big")
    for by, low, high in _steps(len(digests)):
        bits = (bits & low) | (bits << by & high)
    text = bits.to_bytes(len(lanes), "big").translate(_ALPHABET).decode()
    return [text[at : at + _BASE32_LENGTH] for at in range(0, len(text), _BYTES_PER_DIGEST)]


@cache
def _steps(count: int) -> list[tuple[int, int, int]]:
    """Shifts that spread each group of five bits to a byte of its own, for *count* digests.

    Each step separates the halves of a group: the distance, the mask of the half that stays, and
    the mask of the half that moves.
    """
    steps = []
    for half in (32, 16, 8, 4, 2, 1):
        group = (1 << half * 5) - 1
        low = sum(group << place * 8 for place in range(0, _BYTES_PER_DIGEST * count, 2 * half))
        steps.append((half * 3, low, low << half * 8))
    return steps


_SEPARATOR = "\x00"
_DELIVERY_VERSION = "1"
SOLE_RECIPIENT = "person"
"""Recipient id of every case notice and transactional mail; keys name the event."""
_CASE = re.compile(r"case-[a-z2-7]{20}")
_LETTER = re.compile(r"letter-[a-z2-7]{20}")
_DIGEST = re.compile(r"digest-(?:daily|weekly)-[0-9]{4}-[0-9]{2}-[0-9]{2}")


def digest(*parts: str) -> str:
    """Lower-case base32 (no padding) of the SHA-256 over *parts* joined by NUL; 52 characters."""
    [text] = base32([sha256(_SEPARATOR.join(parts).encode()).digest()])
    return text


def event_key(unit: str, source: str, event_id: str) -> str:
    """The identity of a submission: the authenticated unit, the source and the event's own id."""
    return _SEPARATOR.join((unit, source, event_id))


def event_id(unit: str, source: str, event_id: str) -> str:
    """The public name of an accepted event: 26 characters, safe in URLs, subjects and KV keys."""
    return digest(unit, source, event_id)[:26]


def content_hash(event_type: str, data: dict[str, Any]) -> str:
    """Hash of an event's content: the digest of [type, data] as canonical JSON."""
    return digest(canonical([event_type, data]))


def canonical(value: Any) -> str:
    """JSON of *value*: every text in NFC, then keys in code point order, no spaces, unescaped."""
    composed = _composed(value)
    return json.dumps(composed, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def publication_key(content_id: str, revision: int) -> str:
    """One approved revision; a KV key."""
    return f"{content_id}.{revision}"


def delivery_key(content_id: str, revision: int, channel: str, recipient_id: str) -> str:
    """One effect on one recipient, fixed before anything is sent; 52 characters."""
    return digest(_DELIVERY_VERSION, content_id, str(revision), channel, recipient_id)


def delivery_keys(
    content_id: str, revision: int, channel: str, recipient_ids: Sequence[str]
) -> list[str]:
    """The `delivery_key` of each of some recipients."""
    prefix = (_DELIVERY_VERSION, content_id, str(revision), channel, "")
    begun = sha256(_SEPARATOR.join(prefix).encode())
    hashed = []
    for recipient_id in recipient_ids:
        hasher = begun.copy()
        hasher.update(recipient_id.encode())
        hashed.append(hasher.digest())
    return base32(hashed)


def message_id(delivery: str, domain: str) -> str:
    """The mail's Message-ID: the same on every retry, another for a correction."""
    return f"<{delivery[:32]}@{domain}>"


def case_content_id(case_code: str) -> str:
    """The content_id of one person's dossier; the code itself stays out of keys and subjects."""
    return f"case-{digest(case_code)[:20]}"


def resolve_content_id(text: str) -> str:
    """The content_id for an operator's input: a content_id, or a dossier's code."""
    return case_content_id(text) if "." in text else text


def is_case(content_id: str) -> bool:
    """Whether *content_id* is a dossier's: no content item may be called so."""
    return _CASE.fullmatch(content_id) is not None


def transactional_content_id(*parts: str) -> str:
    """The content_id of a transactional mail; *parts* must not identify a person."""
    return f"letter-{digest(*parts)[:20]}"


def is_transactional(content_id: str) -> bool:
    """Whether *content_id* is a transactional mail's; content items may not use this form."""
    return _LETTER.fullmatch(content_id) is not None


def digest_content_id(frequency: str, day: str) -> str:
    """The content_id of the digest of one *day* (`2026-11-26`)."""
    return f"digest-{frequency}-{day}"


def is_digest(content_id: str) -> bool:
    """Whether *content_id* is a digest's: no content item may be called so."""
    return _DIGEST.fullmatch(content_id) is not None


def is_personal(content_id: str) -> bool:
    """Whether *content_id* is for one person: one row in the ledger, which no plan counts."""
    return is_case(content_id) or is_transactional(content_id)


def tracking_id(delivery: str) -> str:
    """Zalo's tracking_id (at most 48 characters, no special ones)."""
    return delivery[:48]


def _composed(value: Any) -> Any:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {_composed(key): _composed(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_composed(inner) for inner in value]
    return value
