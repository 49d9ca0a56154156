"""DKIM signatures (RFC 6376, 8301, 8463) of whole mails, as they are sent.

Every mail has readers' own values in its body, so each has one hash and one signature. The same
mail has the same signature: it names no time.
"""

import hashlib
import re
from base64 import b64encode
from functools import cache, lru_cache
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from channels.email.settings import EmailSettings
from contracts.errors import Invalid, field_error

SIGNED_FIELDS = (
    *("From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("Content-Transfer-Encoding", "Content-Language", "Reply-To", "In-Reply-To", "References"),
    *("List-Id", "List-Help", "List-Unsubscribe", "List-Unsubscribe-Post", "Feedback-ID"),
    *("Auto-Submitted", "X-Auto-Response-Suppress"),
)
OVERSIGNED_FIELDS = ("From", "To", "Subject", "Date")
"""Signed once more, so that no second one can be added."""
KEY_FILE = "LOA_EMAIL_DKIM_KEY_FILE"
_RSA_MIN_BITS = 2048
_LINE_MAX = 72
_SHOWN_SECRETS = "/run/secrets"
"""Where a container's secrets are, which are shown to it alone."""
_SPACES = re.compile(rb"[ \t]+")
_SPACES_BEFORE_END = re.compile(rb"[ \t]+\r\n")
_END_OF_HEADER = b"\r\n\r\n"
_SIGNED_NAMES = {name.lower().encode(): name for name in SIGNED_FIELDS}
DkimKey = RSAPrivateKey | Ed25519PrivateKey


class DkimSigner:
    """Signs mails of *domain* with one key, which DNS has under *selector*."""

    def __init__(self, domain: str, selector: str, key: DkimKey) -> None:
        self.domain, self.selector, self.key = domain, selector, key
        self.algorithm = "rsa" if isinstance(key, RSAPrivateKey) else "ed25519"

    def sign(self, mail: bytes) -> bytes:
        """*mail*, as DATA carries it, with its signature as the first field."""
        header, _, stuffed = mail.partition(_END_OF_HEADER)
        fields = dict(map(_canonical_field, _unfolded(header).split(b"\r\n")))
        present = tuple(name for name in _SIGNED_NAMES if name in fields)
        unsigned = self.unsigned_field(present, _body_hash(stuffed))
        own = _canonical_field.__wrapped__(_unfolded(unsigned))[1]
        signed = b"\r\n".join([*(fields[name] for name in present), own])
        signature = b64encode(self.sign_bytes(signed)).decode()
        return b"".join((unsigned, _folded(signature).encode(), b"\r\n", mail))

    def unsigned_field(self, present: tuple[bytes, ...], body_hash: bytes) -> bytes:
        """The field without its signature; *present*: the names of the fields to sign."""
        return _field_start(self.domain, self.selector, self.algorithm, present) % body_hash

    def sign_bytes(self, signed: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(signed, PKCS1v15(), hashes.SHA256())
        return self.key.sign(hashlib.sha256(signed).digest())

    @property
    def record_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def public_key(self) -> str:
        """The value of `p` in the record."""
        public, encodings = self.key.public_key(), serialization.Encoding
        if self.algorithm == "ed25519":
            raw = public.public_bytes(encodings.Raw, serialization.PublicFormat.Raw)
        else:
            form = serialization.PublicFormat.SubjectPublicKeyInfo
            raw = public.public_bytes(encodings.DER, form)
        return b64encode(raw).decode()

    @property
    def record(self) -> str:
        """The TXT record to publish."""
        return f"v=DKIM1; k={self.algorithm}; p={self.public_key}"


def open_signer(settings: EmailSettings) -> DkimSigner | None:
    """The signer of *settings*; None without a key. Raises Invalid, naming the setting."""
    if not settings.dkim_key_file:
        return None
    return DkimSigner(settings.domain, settings.dkim_selector, _read_key(settings.dkim_key_file))


def _read_key(path: Path) -> DkimKey:
    """A private key in PEM form without a pass phrase, which only its owner may read."""
    try:
        is_open = path.stat().st_mode & 0o077 and not path.is_relative_to(_SHOWN_SECRETS)
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise Invalid(field_error(KEY_FILE, "dkim_key_unusable")) from error
    if is_open:
        raise Invalid(field_error(KEY_FILE, "dkim_key_open", value=path))
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey) and key.key_size >= _RSA_MIN_BITS:
        return key
    raise Invalid(field_error(KEY_FILE, "dkim_key_unusable"))


def _body_hash(stuffed: bytes) -> bytes:
    """Hash of a body in relaxed form, as base64; dots at the start of a line are not doubled."""
    body = stuffed.replace(b"\r\n..", b"\r\n.")
    body = body[1:] if body.startswith(b"..") else body
    if b" \r\n" in body or b"\t" in body or b"  " in body:
        body = _SPACES.sub(b" ", _SPACES_BEFORE_END.sub(b"\r\n", body))
    lines = body.rstrip(b"\r\n")
    return b64encode(hashlib.sha256(lines + b"\r\n" if lines else b"").digest())


def _unfolded(fields: bytes) -> bytes:
    """*fields*, each on one line."""
    return fields.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")


@lru_cache(maxsize=256)
def _canonical_field(line: bytes) -> tuple[bytes, bytes]:
    """The name of an unfolded field in small letters, and the field in relaxed form.

    Most fields are those of the mail before.
    """
    name, _, text = line.partition(b":")
    name = name.rstrip(b" \t").lower()
    return name, b"%b:%b" % (name, _SPACES.sub(b" ", text).strip())


@cache
def _field_start(domain: str, selector: str, algorithm: str, present: tuple[bytes, ...]) -> bytes:
    """The field up to its signature, with a place for the hash of the body."""
    named = [_SIGNED_NAMES[name] for name in present]
    names = _folded(":".join((*named, *OVERSIGNED_FIELDS)), ":")
    return (
        f"DKIM-Signature: v=1; a={algorithm}-sha256; c=relaxed/relaxed;\r\n"
        f" d={domain}; s={selector};\r\n h={names};\r\n bh=%b;\r\n b="
    ).encode("ascii")


def _folded(text: str, mark: str = "") -> str:
    """*text* in lines of at most 72 characters: cut behind a *mark*, or anywhere."""
    lines, rest = list[str](), text
    while len(rest) > _LINE_MAX:
        end = rest.rindex(mark, 0, _LINE_MAX) + 1 if mark else _LINE_MAX
        lines.append(rest[:end])
        rest = rest[end:]
    return "\r\n ".join([*lines, rest])
