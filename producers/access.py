"""How a client of NATS proves who it is, and how it knows the server: passwords, keys, a CA."""

import base64
import json
import re
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from contracts.base.times import utc_time
from contracts.errors import Bilingual, FieldError, Invalid
from producers.texts import get_text

_CREDS = "LOA_NATS_CREDS_FILE"
_NKEY = "LOA_NATS_NKEY_FILE"
_CA = "LOA_NATS_CA_FILE"
_PASSWORD = "LOA_NATS_PASSWORD"  # noqa: S105 -- the name of a variable
_URL = "LOA_NATS_URL"
_USERINFO = re.compile(r"^(\s*(?:[a-z]+://)?).*@", re.IGNORECASE | re.DOTALL)
_OTHERS_MASK = 0o077
_CREDS_PART = r"-+BEGIN {name}-+\s+(\S+)\s+-+END {name}-+"
_JWT = re.compile(_CREDS_PART.format(name="NATS USER JWT"))
_SEED = re.compile(_CREDS_PART.format(name="USER NKEY SEED"))
_USER_SEED = b"SU"


class _UnusableFile(OSError):
    """A file with credentials or certificates holds something else; the text is a text's name."""


def without_password(url: str) -> str:
    """*url*, or several separated by commas, without user and password; a scheme may lack."""
    return ",".join(_USERINFO.sub(r"\1", one) for one in url.split(","))


class _UserCredentials(NamedTuple):
    """The content of a credentials file: a user's JWT, and the seed of its key."""

    jwt: str
    seed: bytes

    @property
    def expires_at(self) -> datetime | None:
        """The JWT's expiry; None for one that never expires. Raises ValueError for no JWT."""
        body = self.jwt.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return utc_time(claims["exp"]) if claims.get("exp") else None


@dataclass(frozen=True, slots=True)
class Access:
    """Credentials for a NATS server, and the CA that its certificate must come from.

    A credentials file is read at each connect, so that a renewed one is used without a restart;
    the seed of an nkey is read when a client is made. Answers to an nkey arrive in an inbox of its
    own, `_INBOX.<public key>`, so that no other client needs to be able to hear them.
    """

    creds_file: Path | None = None
    nkey_file: Path | None = None
    ca_file: Path | None = None
    user: str = "loa"
    password: str = field(default="", repr=False)

    @property
    def variable(self) -> str:
        """The variable that names the credentials."""
        given = ((_CREDS, self.creds_file), (_NKEY, self.nkey_file), (_PASSWORD, self.password))
        return next((name for name, value in given if value), _URL)

    @property
    def inbox_prefix(self) -> str:
        """Where answers arrive. Raises OSError for a seed that can't be used."""
        return f"_INBOX.{public_key(self.nkey_file)}" if self.nkey_file else "_INBOX"

    def client_options(self) -> dict[str, Any]:
        """Options for the client of nats-py. Raises OSError for a file that can't be used."""
        options: dict[str, Any] = {}
        if self.creds_file:
            options["user_jwt_cb"] = partial(_read_jwt, self.creds_file)
            options["signature_cb"] = partial(_sign, self.creds_file)
        if self.nkey_file:
            options["nkeys_seed_str"] = _read_seed(self.nkey_file).decode()
            options["inbox_prefix"] = self.inbox_prefix
        if self.password:
            options |= {"user": self.user, "password": self.password}
        if self.ca_file:
            options["tls"] = _trusted_context(self.ca_file)
        return options

    def check(self, now: datetime) -> None:
        """Raise Invalid, naming the variable, unless every file can be used."""
        if errors := [*self._errors(now)]:
            raise Invalid(*errors)

    def _errors(self, now: datetime) -> Iterator[FieldError]:
        given = [self.creds_file, self.nkey_file, self.password]
        if sum(map(bool, given)) > 1:
            yield get_text("access", "one_only").as_field_error(self.variable)
        for variable, path, examine in (
            (_CREDS, self.creds_file, partial(_examine_creds, now=now)),
            (_NKEY, self.nkey_file, _examine_seed),
            (_CA, self.ca_file, _examine_ca),
        ):
            if path and (text := _examine(path, examine)):
                yield text.as_field_error(variable)


def _examine(path: Path, examine: Callable[[Path], Bilingual | None]) -> Bilingual | None:
    """The text of what is wrong with *path*; None if it can be used."""
    try:
        return examine(path)
    except _UnusableFile as error:
        return get_text("access", str(error), file=path)
    except OSError as error:
        return get_text("access", "unreadable", file=path, detail=error.strerror)


def _examine_creds(path: Path, now: datetime) -> Bilingual | None:
    if _is_open_to_others(path):
        return get_text("access", "open_to_others", file=path)
    expires_at = _read_credentials(path).expires_at
    if expires_at and expires_at <= now:
        return get_text("access", "expired", file=path, at=expires_at)
    return None


def _examine_seed(path: Path) -> Bilingual | None:
    if _is_open_to_others(path):
        return get_text("access", "open_to_others", file=path)
    _read_seed(path)
    return None


def _examine_ca(path: Path) -> Bilingual | None:
    _trusted_context(path)
    return None


def _is_open_to_others(path: Path) -> bool:
    return bool(path.stat().st_mode & _OTHERS_MASK)


def _read_credentials(path: Path) -> _UserCredentials:
    """The credentials in *path*. Raises OSError, _UnusableFile for other content."""
    text = path.read_text("ascii", errors="replace")
    jwt, seed = _JWT.search(text), _SEED.search(text)
    if not jwt or not seed:
        raise _UnusableFile("no_credentials")
    found = _UserCredentials(jwt[1], seed[1].encode())
    try:
        _key_pair(found.seed).wipe()
        _ = found.expires_at
    except (ValueError, KeyError, IndexError) as error:
        raise _UnusableFile("no_credentials") from error
    return found


def _read_seed(path: Path) -> bytes:
    """The seed of a user's nkey in *path*. Raises OSError, _UnusableFile for other content."""
    seed = path.read_bytes().strip()
    try:
        _key_pair(seed).wipe()
    except ValueError as error:
        raise _UnusableFile("no_seed") from error
    return seed


def public_key(path: Path) -> str:
    """The public key of the seed in *path*. Raises OSError, _UnusableFile for other content."""
    key_pair = _key_pair(_read_seed(path))
    public: bytes = key_pair.public_key
    key_pair.wipe()
    return public.decode()


def _key_pair(seed: bytes) -> Any:
    """The key of a user. Raises ValueError for anything but its seed."""
    import nkeys  # needs libsodium, which most clients do not

    if not seed.startswith(_USER_SEED):
        raise ValueError("not the seed of a user")
    try:
        return nkeys.from_seed(bytearray(seed))
    except nkeys.NkeysError as error:
        raise ValueError("not a seed") from error


def _trusted_context(path: Path) -> ssl.SSLContext:
    """TLS that trusts the CA in *path* alone, and checks the server's name. Raises OSError."""
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        raise _UnusableFile("no_certificate") from error


def _read_jwt(path: Path) -> bytes:
    return _read_credentials(path).jwt.encode()


def _sign(path: Path, nonce: str) -> bytes:
    key_pair = _key_pair(_read_credentials(path).seed)
    signature = base64.b64encode(key_pair.sign(nonce.encode()))
    key_pair.wipe()
    return signature
