"""A browser at the desk of a Loa that runs in processes of its own."""

import base64
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx2

from consumers.staff import totp
from consumers.staff.accounts import Account, AccountStore
from consumers.staff.sessions import Session, SessionStore, token_key
from contracts import subjects
from producers.bus import records
from tests.support.loa_bus import bus_of
from tests.support.loa_process import LoaProcess
from tests.support.staff import PASSWORD

_SEAL = re.compile(r'<input type="hidden" name="seal" value="([0-9a-f]{64})">')
_APP_KEY = re.compile(r"<code>([A-Z2-7 ]+)</code>")


@contextmanager
def desk_browser(url: str) -> Iterator[httpx2.Client]:
    """A browser, which says of itself what browsers say."""
    headers = {"Origin": url, "Sec-Fetch-Site": "same-origin"}
    with httpx2.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def activate(loa: LoaProcess, browser: httpx2.Client, login: str) -> None:
    """Sign in the first time, as a new account manager."""
    words = ("--name", "Lê Văn Tám", "--unit", "van-phong-bo", "--role", "quan-tri-tai-khoan")
    added = loa.cli("staff", "add", login, *words, "--json")
    assert added.exit_code == 0, added.err
    accept_invitation(browser, login, added.json["invitation"])


def accept_invitation(browser: httpx2.Client, login: str, invitation: str) -> bytes:
    """Sign in the first time, with an authenticator app; returns the secret of its codes."""
    page = browser.get("/kich-hoat").text
    [key] = _APP_KEY.findall(page)
    secret = base64.b32decode(key.replace(" ", ""))
    given = {
        "seal": _SEAL.findall(page)[0],
        "login": login,
        "invitation": invitation,
        "new": PASSWORD,
        "again": PASSWORD,
        "new_code": totp.one_time_code(secret, totp.current_step(time.time())),
    }
    done = browser.post("/kich-hoat", data=given)
    assert (done.status_code, done.headers.get("location")) == (303, "/"), done.text
    return secret


def unused_code(secret: bytes) -> str:
    """A code that is taken though the present one was used: that of the next half minute."""
    return totp.one_time_code(secret, totp.current_step(time.time()) + 1)


async def start_session(loa: LoaProcess, login: str) -> str:
    """Start one more session of an account; its token."""
    async with bus_of(loa) as bus:
        accounts = AccountStore(bus, time.time)
        sessions = SessionStore(bus, accounts, time.time)
        return await sessions.start(await accounts.require(login))


async def make_code_old(loa: LoaProcess, token: str) -> None:
    """Let a session's second factor be six minutes old: older than a step-up takes.

    The account has given no code since.
    """
    async with bus_of(loa) as bus:
        bucket, key = bus.bucket(subjects.SESSIONS.name), token_key(token)
        known = await records.read(bucket, key, Session)
        old = {"second_factor": known.value.second_factor - timedelta(minutes=6)}
        await records.write(bucket, key, known.value.model_copy(update=old), known.revision)
        await AccountStore(bus, time.time).change(known.value.account, _forget_code)


def _forget_code(account: Account) -> Account:
    local = records.require(account.local).model_copy(update={"used_step": 0})
    return account.model_copy(update={"local": local})
