"""What members of staff give to sign in, and to change how they do; secrets stay out of logs."""

from dataclasses import dataclass, field

TERMINAL = "terminal"
"""The network of sign-ins on the command line."""


@dataclass(frozen=True)
class Attempt:
    """What a person gives to sign in; `network` is where the attempt comes from."""

    login: str
    password: str = field(repr=False)
    code: str = field(default="", repr=False)
    network: str = TERMINAL


@dataclass(frozen=True)
class Activation:
    """What a person gives with an invitation. `totp`: the secret that the authenticator app has."""

    login: str
    invitation: str = field(repr=False)
    password: str = field(repr=False)
    totp: bytes | None = field(default=None, repr=False)
    code: str = field(default="", repr=False)
    network: str = TERMINAL


@dataclass(frozen=True)
class PasswordChange:
    """What a person gives to change the own password."""

    current: str = field(repr=False)
    new: str = field(repr=False)
    network: str = TERMINAL


@dataclass(frozen=True)
class AppChange:
    """What a person gives for a new authenticator app, which has the secret `totp`.

    `code` is one of the old app, if there is one; `new_code` one of the new app.
    """

    password: str = field(repr=False)
    totp: bytes = field(repr=False)
    new_code: str = field(repr=False)
    code: str = field(default="", repr=False)
    network: str = TERMINAL
