"""A real identity provider (npm `oidc-provider`), behind a proxy that changes what it sends.

    async with identity_provider(folder, desk_url) as provider:
        provider.tamper = lambda path, document: {**document, "id_token": "x"}

`provider.sign` signs with the provider's own key, so that a changed claim has a good signature.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from joserfc import jwk, jwt
from yarl import URL

from tests.support import oidc_tokens, requirements
from tests.support.ports import free_port

FOLDER = Path(__file__).parents[1] / "deep" / "attack" / "identity_provider"
CLIENT_ID, SECRET = "loa", "a-secret-of-the-tests-with-enough-characters"
RSA, EC = oidc_tokens.rsa_key(), oidc_tokens.ec_key()
_HOP_BY_HOP = {"transfer-encoding", "connection", "content-length", "content-encoding", "date"}
Tamper = Callable[[str, dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="session")
def provider_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the server and its packages, installed by their hashes."""
    requirements.met(bool(shutil.which("node") and shutil.which("npm")), "needs node and npm")
    folder = tmp_path_factory.mktemp("provider")
    for file in FOLDER.iterdir():
        shutil.copy(file, folder)
    npm = ["npm", "ci", "--no-audit", "--no-fund", "--silent"]
    done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    requirements.met(not done.returncode, f"npm can't install oidc-provider: {done.stderr[-500:]}")
    return folder


@dataclass
class IdentityProvider:
    """The provider as desk and browser see it: the proxy's address, for a browser another site."""

    url: str
    behind: str
    tamper: Tamper = lambda _, document: document
    asked: list[str] = field(default_factory=list)

    async def forward(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, and change a JSON answer on its way back."""
        self.asked.append(request.path)
        sent = {"headers": request.headers, "data": await request.read(), "allow_redirects": False}
        async with (
            aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
            http.request(request.method, f"{self.behind}{request.raw_path}", **sent) as answer,
        ):
            body = await answer.read()
        if "json" in answer.headers.get("Content-Type", ""):
            body = json.dumps(self.tamper(request.path, json.loads(body))).encode()
        response = web.Response(status=answer.status, body=body)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                response.headers.add(name, value)
        return response

    def claims(self, token: str) -> dict[str, Any]:
        return dict(jwt.decode(token, RSA, ["RS256"]).claims)

    def change_id_token(self, change: Callable[[str], str]) -> None:
        """Change each ID token that leaves the token endpoint."""

        def tamper(path: str, document: dict[str, Any]) -> dict[str, Any]:
            if path == "/token" and "id_token" in document:
                return document | {"id_token": change(document["id_token"])}
            return document

        self.tamper = tamper

    def change_claims(self, **changes: Any) -> None:
        """Change claims, and sign again with the provider's own key; None leaves one out."""

        def change(token: str) -> str:
            claims = self.claims(token) | changes
            kept = {name: value for name, value in claims.items() if value is not None}
            return oidc_tokens.sign(kept, RSA)

        self.change_id_token(change)

    def leave(self) -> None:
        """Change nothing any more."""
        self.tamper = lambda _, document: document


@dataclass
class PlainBrowser:
    """A browser without scripts: it keeps cookies and follows redirects until it reaches *home*."""

    provider: IdentityProvider
    http: aiohttp.ClientSession

    async def sign_in(
        self, url: str, home: str, person: str = "an", acr: str = ""
    ) -> dict[str, str]:
        """Follow *url* through the provider; returns the parameters of the redirect to *home*."""
        here = URL(url)
        for _ in range(20):
            if str(here).startswith(home):
                return dict(here.query)
            if here.path.startswith("/interaction/"):
                here = here.update_query(person=person, **({"acr": acr} if acr else {}))
            async with self.http.get(here, allow_redirects=False) as answer:
                location = answer.headers.get("Location")
                assert location, (answer.status, str(here), await answer.text())
                here = here.join(URL(location))
        raise AssertionError("redirected for ever")


@asynccontextmanager
async def plain_browser(provider: IdentityProvider) -> AsyncIterator[PlainBrowser]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http:
        yield PlainBrowser(provider, http)


@asynccontextmanager
async def identity_provider(
    folder: Path, desk_url: str, **client: Any
) -> AsyncIterator[IdentityProvider]:
    """The provider, for a desk at *desk_url*; *client*: more of the client's registration."""
    port, behind = free_port(), free_port()
    provider = IdentityProvider(f"http://localhost:{port}", f"http://127.0.0.1:{behind}")
    configuration = {
        "issuer": provider.url,
        "port": behind,
        "jwks": {"keys": [key.as_dict(private=True) | {"use": "sig"} for key in (RSA, EC)]},
        "client": {k: v for k, v in (_registration(desk_url) | client).items() if v is not None},
    }
    file = folder / f"{behind}.json"
    file.write_text(json.dumps(configuration))
    node = await asyncio.create_subprocess_exec(
        "node", "server.mjs", file.name, cwd=folder, stdout=subprocess.PIPE
    )
    assert node.stdout
    try:
        async with asyncio.timeout(60):
            assert b"listening" in await node.stdout.readline()
        async with _proxy(provider, port):
            yield provider
    finally:
        node.terminate()
        await node.wait()


def _registration(desk_url: str) -> dict[str, Any]:
    return {
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "redirect_uris": [f"{desk_url}/oidc/ve"],
        "post_logout_redirect_uris": [f"{desk_url}/"],
        "backchannel_logout_uri": f"{desk_url}/oidc/dang-xuat",
        "backchannel_logout_session_required": True,
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
    }


@asynccontextmanager
async def _proxy(provider: IdentityProvider, port: int) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", provider.forward)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield
    finally:
        await runner.cleanup()


def register_key(key: jwk.RSAKey | jwk.ECKey) -> dict[str, Any]:
    """The registration of a client that signs assertions with *key* in place of a secret."""
    return {
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": oidc_tokens.key_set(key),
        "client_secret": None,
        "id_token_signed_response_alg": "RS256" if isinstance(key, jwk.RSAKey) else "ES256",
    }
