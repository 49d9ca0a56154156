"""Sign-in of this terminal through the desk, where the person proves who they are."""

import asyncio
import os
import platform
import pwd
from urllib.parse import urlsplit

from channels.email.settings import is_loopback
from consumers.app import instance
from consumers.app.environment import environment
from consumers.app.settings import LoaSettings, read_settings
from consumers.cli import output
from consumers.messages import field_error
from consumers.staff.sessions import SessionStore
from consumers.staff.terminals import LIFETIME, Terminals, shown_code

_PAGE = "/dong-lenh"
_LOOK_EVERY_S = 1.0


async def sign_in_at_desk(sessions: SessionStore, account: str = "") -> str:
    """Show a code and wait until a person confirms it at the desk; the new session's token.

    *account*: the id of the only account that may. Raises Unauthorized without a confirmation,
    Invalid where the desk's address is not known.
    """
    url = instance.desk_url(read_settings(LoaSettings)) + _PAGE
    terminals = Terminals(sessions)
    code = await terminals.ask(platform.node(), _system_user(), account)
    facts = {"url": url, "value": shown_code(code), "minutes": LIFETIME.seconds // 60}
    is_here = is_loopback(urlsplit(url).hostname or "")
    text = "confirm_terminal_here" if is_here else "confirm_terminal"
    output.print_errors([field_error("login", text, **facts)])
    try:
        while True:
            if token := await terminals.redeem(code):
                return token
            await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        await terminals.withdraw(code)


def _system_user() -> str:
    """The user of the operating system: $USER, which cron and containers leave unset, or by id."""
    if name := (environment().get("USER") or "").strip():
        return name
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return ""
