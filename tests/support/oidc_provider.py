"""An identity provider on a real socket, whose answers a test changes one by one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from consumers.staff.oidc.authorization import Transactions
from consumers.staff.oidc.client_auth import Client
from consumers.staff.oidc.http_client import ProviderHttp
from consumers.staff.oidc.provider import Provider
from consumers.staff.oidc.service import OidcClient, OidcSignIn, OidcStores
from contracts.staff.oidc import Finished, OidcArrival
from tests.support import oidc_tokens
from tests.support.clock import FakeClock
from tests.support.desk_app import DESK_URL
from tests.support.oidc_tokens import ACCESS_TOKEN, CLIENT_ID
from tests.support.staff import StaffHarness

DESK = DESK_URL
CODE = "the-code"
LEVEL = "mfa"


@dataclass
class ProviderDouble:
    """Answers what its fields say. `asked` has the path of each request, `forms` the last form."""

    clock: FakeClock
    url: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=oidc_tokens.key_set)
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    answer: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    instead: dict[str, web.Response] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    form: dict[str, str] = field(default_factory=dict)
    authorization: str = ""
    nonce: str = ""

    def document(self) -> dict[str, Any]:
        """The discovery document; a value of None is left out."""
        whole = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/vao",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "end_session_endpoint": f"{self.url}/ra",
            "code_challenge_methods_supported": ["S256"],
        } | self.metadata
        return {name: value for name, value in whole.items() if value is not None}

    def times(self) -> dict[str, int]:
        now = int(self.clock())
        return {"iat": now, "exp": now + 300}

    def id_token(self) -> str:
        own = {"iss": self.url, "nonce": self.nonce, **self.times()}
        return oidc_tokens.sign(oidc_tokens.id_claims(**own | self.claims), **self.header)

    def logout_token(self, **changes: Any) -> str:
        own = {"iss": self.url, **self.times()}
        return oidc_tokens.sign(oidc_tokens.logout_claims(**own | changes), typ="logout+jwt")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        if instead := self.instead.get(request.path):
            return instead
        if request.path == "/keys":
            return web.json_response(self.keys)
        if request.path == "/token":
            self.form = {name: str(value) for name, value in (await request.post()).items()}
            self.authorization = request.headers.get("Authorization", "")
            tokens = {"token_type": "Bearer", "access_token": ACCESS_TOKEN}
            answer = tokens | {"id_token": self.id_token()} | self.answer
            return web.json_response(answer, status=self.status)
        return web.json_response(self.document())

    def client(self, staff: StaffHarness | None = None, **changes: Any) -> OidcSignIn:
        """Loa's side, with a state of its own; without *staff* it has no accounts to look at."""
        secret = {"secret": "a secret"} if "key" not in changes else {}
        own = Client(CLIENT_ID, **secret | changes)
        return OidcSignIn(
            Provider(self.url, own, ProviderHttp(total_s=2), self.clock),
            OidcClient(CLIENT_ID, DESK, frozenset({LEVEL})),
            OidcStores(staff.accounts, staff.sessions, staff.sign_in.addresses) if staff else None,
            Transactions(b"k" * 32),
        )


@asynccontextmanager
async def provider_double(clock: FakeClock) -> AsyncIterator[ProviderDouble]:
    double = ProviderDouble(clock)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", double.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield double
    finally:
        await runner.cleanup()


async def arrive(
    desk: OidcSignIn, response: dict[str, str], cookie: str, token: str = ""
) -> Finished:
    """The browser comes back from the provider with an answer."""
    return await desk.finish(OidcArrival(response, cookie, token))


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
