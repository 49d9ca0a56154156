"""Starts the sandbox on a port."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from pydantic import SecretStr

from channels.zalo.hours import Clock
from channels.zalo.oauth import Pair, life_s
from channels.zalo.sandbox import admin, articles, messages, oauth, page
from channels.zalo.sandbox.clock import SettableClock, day_clock
from channels.zalo.sandbox.faults import FAULTS, Faults, faulty
from channels.zalo.sandbox.journal import Journal
from channels.zalo.sandbox.wire import WORLD, guard, removed, spoken, stamp
from channels.zalo.sandbox.world import World
from channels.zalo.settings import ZaloSettings

BODY_MAX = 1 << 20
STOP_S = 1.0

ROUTES = [
    web.get("/", page.page, name="page"),
    web.get("/v4/oa/permission", oauth.permission, name="oauth.permission"),
    web.post("/v4/oa/access_token", oauth.access_token, name="oauth.token"),
    web.get("/v2.0/oa/getoa", messages.profile, name="oa.getoa"),
    web.post("/v2.0/oa/message", messages.message, name="oa.message"),
    web.post("/v2.0/oa/quota/message", messages.oa_quota, name="oa.quota"),
    web.get("/message/quota", messages.business_quota, name="business.quota"),
    web.post("/v2.0/article/create", articles.create, name="article.create"),
    web.post("/v2.0/article/verify", articles.verify, name="article.verify"),
    web.post("/v2.0/article/update", articles.update, name="article.update"),
    web.post("/v2.0/article/remove", articles.remove, name="article.remove"),
    web.get("/v2.0/article/getdetail", articles.detail, name="article.getdetail"),
    web.get("/v2.0/article/getslice", articles.listing, name="article.getslice"),
    web.post("/v2.0/article/upload_image", removed, name="article.upload_image"),
    web.post("/v2.0/article/upload_video_or_cover", removed, name="article.upload_cover"),
    web.post("/_sandbox/faults", admin.add_fault, name="admin.faults"),
    web.delete("/_sandbox/faults", admin.clear_faults),
    web.post("/_sandbox/clock", admin.set_clock, name="admin.clock"),
    web.post("/_sandbox/rules", admin.set_rules, name="admin.rules"),
    web.post("/_sandbox/grant", admin.grant, name="admin.grant"),
    web.get("/_sandbox/state", admin.state, name="admin.state"),
    web.get("/_sandbox/effects", admin.effects, name="admin.effects"),
]


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    url: str
    world: World
    clock: SettableClock
    faults: Faults
    runner: web.AppRunner

    @property
    def settings(self) -> ZaloSettings:
        """What Loa needs to talk to it."""
        return ZaloSettings(
            app_id=oauth.APP_ID,
            app_secret=SecretStr(oauth.APP_SECRET),
            oa_secret=SecretStr(oauth.OA_SECRET),
            openapi_url=self.url,
            business_url=self.url,
            oauth_url=self.url,
        )

    def grant(self) -> Pair:
        """A fresh token pair; the one before it is dead."""
        pair = oauth.new_pair(self.world)
        refresh_token = self.world.tokens.refresh
        return Pair(pair["access_token"], refresh_token, life_s(pair["expires_in"]))

    async def close(self) -> None:
        await self.runner.cleanup()


async def start(host: str, port: int, folder: Path, clock: Clock | None = None) -> Sandbox:
    """Serve from *folder*, where everything that happened stays. Port 0: the system chooses."""
    ticking, faults = SettableClock(clock or day_clock()), Faults()
    world = World(Journal(folder), ticking)
    runner = web.AppRunner(
        application(world, ticking, faults), access_log=None, shutdown_timeout=STOP_S
    )
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    chosen = runner.addresses[0][1]
    return Sandbox(f"http://{host}:{chosen}", world, ticking, faults, runner)


def application(world: World, clock: SettableClock, faults: Faults) -> web.Application:
    app = web.Application(middlewares=[spoken, faulty, guard], client_max_size=BODY_MAX)
    app[WORLD], app[admin.CLOCK], app[FAULTS] = world, clock, faults
    app[articles.DESK], app[oauth.CODES] = articles.Desk(), {}
    app.on_response_prepare.append(stamp)
    app.add_routes(ROUTES)
    return app
