"""Three processes of one Zalo account: one token pair, one rate, and one of them dies renewing."""

import asyncio
import json
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from channels.zalo.client.oauth_api import TokenPair
from consumers.app.wiring import zalo
from consumers.key_file import KeyFile
from sandbox.zalo.state.templates import shipped_routes
from tests.deep.crash.environment import start_receiver
from tests.deep.crash.setup import sandbox_account
from tests.deep.scale.notice_load import BATCH, case_event, too_fast
from tests.support.gateway_client import UNIT
from tests.support.loa_bus import bus_of
from tests.support.loa_process import LOA, sandbox_call, wait_until
from tests.support.repository import ROOT
from tests.support.split_loa import Service, SplitLoa, on_a_server

pytestmark = [pytest.mark.timeout(1200), pytest.mark.promise("6.5"), pytest.mark.promise("12.5")]
WORKERS = ("machine-1", "machine-2", "machine-3")
PER_S, CONNECTIONS = 10, 4
ROUND = 100
"""Notices of one round; at the rate of each process they would take a third of the time."""
LIFE_S = 48 * 3600.0
"""Longer than the life of an access token."""
DIES_ONCE = """
import os, signal, sys
from pathlib import Path
from channels.zalo.client import token_store
from consumers.cli import main
from contracts.base.crash_points import arm

token_store.PENDING_TIMEOUT_S = 20.0  # in place of 60: over before the breaker's third probe
lot = Path(os.environ["REFRESH_LOT"])

def die_once(point):
    if point == "zalo.refresh_noted" and lot.exists():
        try:
            lot.rename(lot.with_name("drawn"))
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

arm(die_once)
sys.argv = ["loa", *sys.argv[1:]]
main()
"""


def service(name: str, folder: Path, environ: dict[str, str]) -> Service:
    """A service; a worker that draws the lot dies as it has noted a refresh."""
    may_die = name == "deliver-zalo"
    return Service(name, folder, environ, (sys.executable, "-c", DIES_ONCE) if may_die else LOA)


class ZaloLoa(SplitLoa):
    """Services around one Zalo."""

    zalo_url: str
    kind = staticmethod(service)

    def connect(self) -> None:
        """Give it the consent, and a template for each kind of notice."""
        asyncio.run(self._connect())

    async def _connect(self) -> None:
        account = sandbox_account(self.zalo_url)
        pair = sandbox_call(self.zalo_url, "grant", {})
        async with bus_of(self) as bus:
            stores = zalo.zalo_stores(bus, KeyFile.open(self.data / "vault.key"), account.app_id)
            granted = TokenPair(pair["access_token"], pair["refresh_token"], 90_000.0)
            await zalo.store_token_pair(account, stores, granted)
            await zalo.register_missing_templates(account, stores, shipped_routes())

    def send_notices(self, number: int) -> None:
        """The events of one round."""
        for first in range(ROUND * number, ROUND * (number + 1), 50):
            body = json.dumps([case_event(UNIT, n) for n in range(first, first + 50)]).encode()
            call = partial(self.request, "/v1/events", body, {"Content-Type": BATCH})
            wait_until(lambda call=call: call().status == 202, "the door", pause_s=1.0)

    def end_token(self) -> None:
        """The access token is over at Zalo, and everywhere noticed by the next call."""
        now = sandbox_call(self.zalo_url, "state")["now"] + LIFE_S
        sandbox_call(self.zalo_url, "clock", {"now": datetime.fromtimestamp(now, UTC).isoformat()})

    def sent(self) -> list[dict]:
        """The messages, as Zalo has noted them."""
        written = (self.folder / "zalo" / "effects.jsonl").read_text()
        lines = written[: written.rfind("\n") + 1].splitlines()  # the last one may not be whole yet
        return [json.loads(one) for one in lines if '"template_sent"' in one]

    def refreshes(self) -> list[str]:
        """A line for each refresh token that Zalo was asked with."""
        path = self.folder / "zalo" / "refreshes"
        return path.read_text().splitlines() if path.exists() else []


@pytest.fixture
def loa(tmp_path, other_server, relay):
    with on_a_server(ZaloLoa, tmp_path / "loa", other_server, relay) as loa:
        process, loa.zalo_url = start_receiver("zalo", loa.folder / "zalo")
        hosts = {f"LOA_ZALO_{one}_URL": loa.zalo_url for one in ("OPENAPI", "BUSINESS", "OAUTH")}
        own = {"APP_ID": "sandbox-app", "APP_SECRET": "sandbox-app-secret"}
        own |= {"NOTICES_PER_S": str(PER_S), "CONNECTIONS": str(CONNECTIONS)}
        loa.environ |= hosts | {f"LOA_ZALO_{name}": value for name, value in own.items()}
        loa.environ |= {"REFRESH_LOT": str(loa.folder / "lot"), "PYTHONPATH": str(ROOT)}
        yield loa
        process.kill()
        process.wait()


def test_three_processes_share_one_token_and_one_rate_and_one_may_die_renewing(loa):
    loa.run("gateway", "portal", "intake", "dispatch")
    loa.add_unit(UNIT, "--notices", "zalo")
    sandbox_call(loa.zalo_url, "balance", {"balance": 10**9})
    loa.connect()
    for machine in WORKERS:
        loa.run_elsewhere(machine, "deliver-zalo")
    for number in range(2):
        loa.end_token()
        loa.send_notices(number)
        wait_until(lambda end=ROUND * (number + 1): len(loa.sent()) == end, "the notices", 300)
        assert len(loa.refreshes()) == number + 1, "one for all three"
    dead = die_renewing(loa)
    unknown = wait_until(lambda: all_told(loa), "the notices of the living", 600, pause_s=2.0)
    assert len(unknown) <= CONNECTIONS, "those that the dead one was about to send"
    told = loa.refreshes()
    assert len(told) == len(set(told)) == 3, "no refresh token twice"
    assert all(one.endswith(" True") for one in told)
    assert len({one["message"]["tracking_id"] for one in loa.sent()}) == len(loa.sent())
    assert list(too_fast(loa.sent(), PER_S)) == []
    shares = [loa.services[one].log.read_text().count("zalo_notice_sent") for one in WORKERS]
    assert min(shares) >= ROUND / 10, (shares, dead)
    assert loa.violations() == []


def all_told(loa: ZaloLoa) -> list[dict] | None:
    """The notices that stay unknown, once each other one has reached Zalo."""
    unknown = loa.cli("zalo", "unknown", "--json").json
    return unknown if len(loa.sent()) + len(unknown) == 3 * ROUND else None


def die_renewing(loa: ZaloLoa) -> str:
    """The worker that is killed with its refresh noted, and not asked for yet."""
    (loa.folder / "lot").touch()
    loa.end_token()
    loa.send_notices(2)
    workers = {name: loa.services[name].process for name in WORKERS}
    died = wait_until(
        lambda: [name for name, process in workers.items() if process.poll() is not None],
        "the death of the one that renews",
    )
    [name] = died
    return name
