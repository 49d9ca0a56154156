"""Why a request gets a page that tells so.

Refused
  NotSignedIn           no living session
  ForeignRequest        sent by another page, or with another session's seal
  WrongAddress          sent by a page of the desk that was opened under another address
  NotAllowed            no role of the account allows it
  TooManyArrivals       too many sign-ins through the identity provider from one network
  SecondFactorMissing   the roles ask for a second factor, and the session has none
"""

from http import HTTPStatus
from typing import ClassVar


class Refused(Exception):
    """Nothing was done; `page` names the texts of the page that says why."""

    page: ClassVar[str]
    status: ClassVar[int] = HTTPStatus.FORBIDDEN


class NotSignedIn(Refused):
    page = "signed_out"


class ForeignRequest(Refused):
    page = "foreign"


class WrongAddress(ForeignRequest):
    page = "wrong_address"


class NotAllowed(Refused):
    page = "not_allowed"


class SecondFactorMissing(Refused):
    page = "second_factor_missing"


class TooManyArrivals(Refused):
    page = "later"
    status = HTTPStatus.TOO_MANY_REQUESTS
