"""Credentials by which members of staff sign in, and change them; secrets stay out of logs."""

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import quote

TERMINAL = "terminal"
"""The network of sign-ins on the command line."""
_ISSUER = "Loa"
_LOCAL_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]{0,500}")


@dataclass(frozen=True)
class Attempt:
    """Credentials for signing in; `network` is where the attempt comes from."""

    login: str
    password: str = field(repr=False)
    code: str = field(default="", repr=False)
    network: str = TERMINAL


@dataclass(frozen=True)
class Activation:
    """Answers to an invitation. `totp`: the secret that the authenticator app has."""

    login: str
    invitation: str = field(repr=False)
    password: str = field(repr=False)
    totp: bytes | None = field(default=None, repr=False)
    code: str = field(default="", repr=False)
    network: str = TERMINAL


@dataclass(frozen=True)
class PasswordChange:
    """Proofs for a change of the own password."""

    current: str = field(repr=False)
    new: str = field(repr=False)
    network: str = TERMINAL


@dataclass(frozen=True)
class AppChange:
    """Proofs for a new authenticator app, which has the secret `totp`.

    `code` is one of the old app, if there is one; `new_code` one of the new app.
    """

    password: str = field(repr=False)
    totp: bytes = field(repr=False)
    new_code: str = field(repr=False)
    code: str = field(default="", repr=False)
    network: str = TERMINAL


def text_secret(secret: bytes) -> str:
    """The TOTP secret in base32, as people type it into an authenticator app."""
    return base64.b32encode(secret).decode()


def setup_uri(secret: bytes, login: str = "") -> str:
    """The `otpauth:` address that an authenticator app opens, or reads from a QR code."""
    label = f"{_ISSUER}:{quote(login)}" if login else _ISSUER
    return f"otpauth://totp/{label}?secret={text_secret(secret)}&issuer={_ISSUER}"


def local_path(path: str) -> str:
    """*path* if it stays on this host, else the start page: no open redirect."""
    return path if _LOCAL_PATH.fullmatch(path) else "/"
