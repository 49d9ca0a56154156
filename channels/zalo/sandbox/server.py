"""Starts the sandbox on a port."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from channels.zalo.hours import Clock
from channels.zalo.oauth import Pair, life_s
from channels.zalo.sandbox import admin, articles, oauth
from channels.zalo.sandbox.clock import SettableClock, day_clock
from channels.zalo.sandbox.faults import FAULTS, Faults, faulty
from channels.zalo.sandbox.heart import HEART, Heart, living
from channels.zalo.sandbox.journal import Journal
from channels.zalo.sandbox.routes import ROUTES
from channels.zalo.sandbox.wire import WORLD, guard, spoken, stamp
from channels.zalo.sandbox.world import World
from channels.zalo.settings import ZaloSettings

BODY_MAX = 6 << 20
STOP_S = 1.0


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    url: str
    world: World
    clock: SettableClock
    faults: Faults
    runner: web.AppRunner
    heart: Heart

    @property
    def settings(self) -> ZaloSettings:
        """What Loa needs to talk to it."""
        return standing_in(self.url, ZaloSettings())

    def grant(self) -> Pair:
        """A fresh token pair; the one before it is dead."""
        pair = oauth.new_pair(self.world)
        refresh_token = self.world.tokens.refresh
        return Pair(pair["access_token"], refresh_token, life_s(pair["expires_in"]))

    async def close(self) -> None:
        await self.heart.stop()
        await self.runner.cleanup()


def standing_in(url: str, zalo: ZaloSettings) -> ZaloSettings:
    """What was set for Zalo, but for where it is and who we are there: the sandbox at *url*."""
    hosts = dict.fromkeys(("openapi_url", "business_url", "oauth_url"), url)
    secrets = {"app_secret": oauth.APP_SECRET, "oa_secret": oauth.OA_SECRET}
    ours = {"app_id": oauth.APP_ID, **hosts} | {k: SecretStr(v) for k, v in secrets.items()}
    return zalo.model_copy(update=ours)


async def start(host: str, port: int, folder: Path, clock: Clock | None = None) -> Sandbox:
    """Serve from *folder*, where everything that happened stays. Port 0: the system chooses."""
    ticking, faults = SettableClock(clock or day_clock()), Faults()
    world = World(Journal(folder), ticking)
    ticking.offset_s = world.clock_offset_s
    heart = Heart(world)
    app = application(world, ticking, faults, heart)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    chosen = runner.addresses[0][1]
    heart.start()
    return Sandbox(f"http://{host}:{chosen}", world, ticking, faults, runner, heart)


def application(
    world: World, clock: SettableClock, faults: Faults, heart: Heart
) -> web.Application:
    app = web.Application(middlewares=[living, spoken, faulty, guard], client_max_size=BODY_MAX)
    app[WORLD], app[admin.CLOCK], app[FAULTS], app[HEART] = world, clock, faults, heart
    app[articles.DESK], app[oauth.CODES] = articles.Desk(), {}
    app.on_response_prepare.append(stamp)
    app.add_routes(ROUTES)
    return app
