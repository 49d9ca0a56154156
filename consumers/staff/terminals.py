"""Sign-in of a terminal: it shows a code, and a person who is signed in at the desk confirms it.

The flow of the device authorization grant (RFC 8628) with the desk as its server: a person signs in
at the desk in the way that the account has, and the terminal needs neither browser nor password.
Bucket `sessions`, key `terminal.<SHA-256 of the code>`.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from pydantic import BaseModel, ConfigDict

from consumers.messages import field_error
from consumers.staff.errors import ProviderSessionEnded
from consumers.staff.sessions import Session, SessionStore
from contracts.base.times import utc_now
from contracts.errors import Invalid, Unauthorized, printable
from producers.bus import RevisionConflict, records

_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
"""No vowels and no digits: no words, and none that look alike (RFC 8628, 6.1)."""
_LENGTH, _GROUP = 8, 4
LIFETIME = timedelta(minutes=10)
_NAME_MAX = 64


class TerminalRequest(BaseModel):
    """A terminal that waits. `account`: the only one that may confirm; empty: any."""

    model_config = ConfigDict(frozen=True)

    asked: datetime
    host: str
    user: str
    account: str = ""
    confirmed: Session | None = None


def _new_code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def _key(code: str) -> str:
    """The key of a code, however a person has typed it."""
    letters = "".join(filter(str.isalpha, code)).upper()
    return f"terminal.{sha256(letters.encode()).hexdigest()}"


def shown_code(code: str) -> str:
    """The code in groups, as people read it: `BCDF-GHJK`."""
    return "-".join(code[at : at + _GROUP] for at in range(0, len(code), _GROUP))


@dataclass(frozen=True)
class Terminals:
    """Terminals that wait to be let in."""

    sessions: SessionStore

    async def ask(self, host: str, user: str, account: str = "") -> str:
        """Begin to wait; returns the code for the person."""
        request = TerminalRequest(
            asked=utc_now(self.sessions.clock),
            host=printable(host, _NAME_MAX),
            user=printable(user, _NAME_MAX),
            account=account,
        )
        code = _new_code()
        await self.sessions.bucket.create(_key(code), request.model_dump_json().encode())
        return code

    async def find(self, code: str) -> TerminalRequest | None:
        """The terminal that waits under a code; None for a wrong, a used or an old one."""
        request = (await records.read(self.sessions.bucket, _key(code), TerminalRequest)).value
        if request is None or request.confirmed or not self._is_young(request):
            return None
        return request

    async def confirm(self, code: str, session: Session) -> None:
        """Let the terminal of a code in, for the person of *session*. Raises Invalid."""

        def confirm(known: TerminalRequest | None) -> TerminalRequest:
            request = records.require(known)
            if request.confirmed == session:
                return request
            is_its_person = request.account in ("", session.account)
            if request.confirmed or not is_its_person or not self._is_young(request):
                raise LookupError
            return request.model_copy(update={"confirmed": session})

        try:
            await records.update(self.sessions.bucket, _key(code), TerminalRequest, confirm)
        except LookupError:
            raise unknown_code() from None

    async def redeem(self, code: str) -> str | None:
        """The token of the terminal's session, once; None while no person has confirmed the code.

        Raises Unauthorized when it is too late, or the person has signed out meanwhile.
        """
        bucket, key = self.sessions.bucket, _key(code)
        known = await records.read(bucket, key, TerminalRequest)
        if known.value is None or not self._is_young(known.value):
            raise _not_confirmed()
        if known.value.confirmed is None:
            return None
        try:
            await bucket.purge_if(key, known.revision)
            return await self.sessions.start_terminal(known.value.confirmed)
        except (RevisionConflict, ProviderSessionEnded, LookupError) as ended:
            raise _not_confirmed() from ended

    async def withdraw(self, code: str) -> None:
        """Wait no more."""
        await self.sessions.bucket.purge(_key(code))

    def _is_young(self, request: TerminalRequest) -> bool:
        return utc_now(self.sessions.clock) < request.asked + LIFETIME


def unknown_code() -> Invalid:
    return Invalid(field_error("terminal_code", "terminal_code_unknown"))


def _not_confirmed() -> Unauthorized:
    return Unauthorized(field_error("code", "terminal_not_confirmed"))
