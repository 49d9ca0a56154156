"""A verifier of DKIM signatures, written from RFC 6376 line by line and without our signer's code.

It knows what we sign with: one signature, relaxed/relaxed, sha256, no `l=`.
"""

import hashlib
from base64 import b64decode

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key


def tags(text: str) -> dict[str, str]:
    """3.2: a list of tags, without the white space in their values."""
    pairs = (part.partition("=") for part in text.split(";") if part.strip())
    return {name.strip(): "".join(value.split()) for name, _, value in pairs}


def split_mail(mail: bytes) -> tuple[list[tuple[str, str]], bytes]:
    """The fields from the top, each with its folded value, and the body."""
    header, _, body = mail.partition(b"\r\n\r\n")
    fields: list[tuple[str, str]] = []
    for line in header.decode("latin-1").split("\r\n"):
        if line[:1] in (" ", "\t"):
            name, value = fields.pop()
            fields.append((name, f"{value}\r\n{line}"))
        else:
            name, _, value = line.partition(":")
            fields.append((name.strip(" \t"), value))
    return fields, body


def relaxed_line(text: str) -> str:
    """A run of spaces as one."""
    return " ".join(part for part in text.replace("\t", " ").split(" ") if part)


def relaxed_field(name: str, value: str) -> str:
    """3.4.2."""
    return f"{name.lower()}:{relaxed_line(value.replace(chr(13) + chr(10), ''))}"


def relaxed_body(body: bytes) -> bytes:
    """3.4.4."""
    lines = []
    for line in body.decode("latin-1").split("\r\n"):
        starts = " " if line[:1] in (" ", "\t") and line.strip(" \t") else ""
        lines.append(starts + relaxed_line(line))
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


def signed_text(fields: list[tuple[str, str]], names: list[str], own: str) -> bytes:
    """3.7 and 5.4.2: each name takes the next field of that name from the bottom."""
    left, lines = list(reversed(fields)), []
    for name in names:
        found = next((field for field in left if field[0].lower() == name.lower()), None)
        if found:
            left.remove(found)
            lines.append(relaxed_field(*found))
    unsigned = own[: own.rindex("b=") + 2]
    return "\r\n".join([*lines, relaxed_field("DKIM-Signature", unsigned)]).encode("latin-1")


def is_signed(mail: bytes, record_name: str, record: str) -> bool:
    """Whether the first field of *mail* is a signature that *record*, at that name, proves."""
    (name, own), *fields = split_mail(mail)[0]
    signature, key = tags(own), tags(record)
    place = f"{signature['s']}._domainkey.{signature['d']}"
    if name != "DKIM-Signature" or place != record_name or signature["c"] != "relaxed/relaxed":
        return False
    body_hash = hashlib.sha256(relaxed_body(split_mail(mail)[1])).digest()
    if b64decode(signature["bh"]) != body_hash or signature["a"] != f"{key['k']}-sha256":
        return False
    return proves(
        key, b64decode(signature["b"]), signed_text(fields, signature["h"].split(":"), own)
    )


def proves(key: dict[str, str], signature: bytes, text: bytes) -> bool:
    public = b64decode(key["p"])
    try:
        if key["k"] == "ed25519":  # RFC 8463: the hash is signed
            signer = Ed25519PublicKey.from_public_bytes(public)
            signer.verify(signature, hashlib.sha256(text).digest())
        else:
            load_der_public_key(public).verify(signature, text, PKCS1v15(), SHA256())
    except InvalidSignature:
        return False
    return True
