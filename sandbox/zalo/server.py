"""Start the sandbox on a port."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from channels.email.settings import is_loopback
from channels.zalo.client.oauth_api import TokenPair, lifetime_s
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import stand_in_settings
from contracts.base.networks import http_url
from contracts.base.times import Clock
from sandbox.zalo.api import articles, oauth
from sandbox.zalo.controls import admin
from sandbox.zalo.controls.faults import FAULTS, Faults, fault_middleware
from sandbox.zalo.middleware import WORLD, access_middleware, add_headers, error_middleware
from sandbox.zalo.routes import ROUTES
from sandbox.zalo.scheduler import SCHEDULER, Scheduler, scheduler_middleware
from sandbox.zalo.site_guard import LOOPBACK_ONLY, site_guard_middleware
from sandbox.zalo.state.clock import SettableClock, daytime_clock
from sandbox.zalo.state.journal import Journal
from sandbox.zalo.state.oa_secret import open_oa_secret
from sandbox.zalo.state.templates import shipped_routes
from sandbox.zalo.state.world import World
from sandbox.zalo.webhooks.allowed_addresses import AllowedAddresses
from sandbox.zalo.webhooks.webhook_sender import WebhookSender

_BODY_MAX = 6 << 20
_STOP_S = 1.0


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox."""

    url: str
    world: World
    clock: SettableClock
    faults: Faults
    runner: web.AppRunner
    scheduler: Scheduler

    @property
    def settings(self) -> ZaloSettings:
        """Settings that point to this sandbox."""
        return stand_in_settings(self.url, ZaloSettings(), self.oa_secret)

    @property
    def oa_secret(self) -> str:
        """The secret that signs webhook events."""
        return self.scheduler.sender.oa_secret

    @property
    def template_routes(self) -> Mapping[str, str]:
        """Which of the shipped templates serves which kind of case notice."""
        return shipped_routes()

    def trust_webhook(self, address: str) -> None:
        """Let the sandbox call *address*, wherever it is: Loa's own webhook."""
        self.scheduler.sender.allowed.own.add(address)

    def grant(self) -> TokenPair:
        """A fresh token pair; the previous one becomes invalid."""
        pair = oauth.new_pair(self.world)
        refresh_token = self.world.tokens.refresh
        return TokenPair(pair["access_token"], refresh_token, lifetime_s(pair["expires_in"]))

    async def close(self) -> None:
        await self.scheduler.stop()
        await self.runner.cleanup()


async def start(host: str, port: int, folder: Path, clock: Clock | None = None) -> Sandbox:
    """Serve from *folder*, which keeps journal and secret. Port 0: the system chooses."""
    settable, faults = SettableClock(clock or daytime_clock()), Faults()
    world = World(Journal(folder), settable)
    settable.offset_s = world.clock_offset_s
    allowed = AllowedAddresses(loopback=is_loopback(host))
    scheduler = Scheduler(world, WebhookSender(world, open_oa_secret(folder), allowed))
    app = _build_app(world, settable, faults, scheduler)
    app[LOOPBACK_ONLY] = is_loopback(host)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_STOP_S)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    chosen = runner.addresses[0][1]
    scheduler.start()
    return Sandbox(http_url(host, chosen), world, settable, faults, runner, scheduler)


def _build_app(
    world: World, clock: SettableClock, faults: Faults, scheduler: Scheduler
) -> web.Application:
    app = web.Application(
        middlewares=[
            site_guard_middleware,
            scheduler_middleware,
            error_middleware,
            fault_middleware,
            access_middleware,
        ],
        client_max_size=_BODY_MAX,
    )
    app[WORLD], app[admin.CLOCK], app[FAULTS], app[SCHEDULER] = world, clock, faults, scheduler
    app[articles.PROCESSING], app[oauth.CODES] = articles.ProcessingState(), {}
    app.on_response_prepare.append(add_headers)
    app.add_routes(ROUTES)
    return app
