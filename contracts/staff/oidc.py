"""Requests and results of a sign-in through the identity provider, for the desk."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from contracts.staff.sign_in import TERMINAL


class Beginning(NamedTuple):
    """The address for the browser, and the value of the cookie that it takes along."""

    url: str
    cookie: str


@dataclass(frozen=True)
class OidcArrival:
    """A browser that comes back from the provider. `token`: of the session it has, if any."""

    response: Mapping[str, str] = field(repr=False)
    cookie: str = field(repr=False)
    token: str = field(default="", repr=False)
    network: str = TERMINAL


class Finished(NamedTuple):
    """The token of the new session, and the page that the person came from."""

    token: str
    return_to: str
