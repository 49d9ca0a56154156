"""OAuth host of the sandbox: consent, code exchange, and single-use refresh tokens."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from aiohttp import web

from channels.zalo.stand_in import APP_ID, APP_SECRET, OA_ID
from sandbox.zalo.middleware import WORLD
from sandbox.zalo.state.rules import RefusalForm
from sandbox.zalo.state.world import World

_LIFE_S = 90000.0
_CODE_LIFE_S = 600.0
_FOUND, _GATEWAY_TIMEOUT = 302, 504
_GATEWAY_PAGE = "<html><head><title>504 Gateway Time-out</title></head><body>nginx</body></html>"
_DEAD_TOKEN = {
    "access_token": "",
    "refresh_token": "",
    "error_name": "Invalid refresh token.",
    "error": -14014,
}


@dataclass(frozen=True)
class ConsentCode:
    """A consent, valid for one exchange within ten minutes."""

    challenge: str
    expires: float


CODES = web.AppKey("codes", dict[str, ConsentCode])


async def permission(request: web.Request) -> web.Response:
    """The OA admin consents at once: a redirect back to the app with a code."""
    world, query = request.app[WORLD], request.query
    if query.get("app_id") != APP_ID:
        reason = "App is not active but user is not admin"
        return _failure_response(world, -14002, "Invalid appId", reason)
    redirect = query.get("redirect_uri", "")
    if not _is_allowed_redirect(redirect, world.rules.callback_url):
        return _failure_response(world, -14003, "Invalid redirect uri", "")
    code = token_urlsafe(24)
    challenge = query.get("code_challenge", "")
    request.app[CODES][code] = ConsentCode(challenge, world.clock() + _CODE_LIFE_S)
    state = f"&state={query['state']}" if "state" in query else ""
    location = f"{redirect}?code={code}&oa_id={OA_ID}{state}"
    return web.Response(status=_FOUND, headers={"Location": location})


def _is_allowed_redirect(redirect: str, saved: str) -> bool:
    """Whether the redirect is the address saved in the console, without a query."""
    whole = redirect.startswith(("http://", "https://")) and "?" not in redirect
    return whole and saved in ("", redirect)


async def access_token(request: web.Request) -> web.Response:
    """Exchange a code, or a refresh token, for a new pair."""
    form = {name: str(value) for name, value in (await request.post()).items()}
    world = request.app[WORLD]
    if request.headers.get("secret_key") != APP_SECRET or form.get("app_id") != APP_ID:
        return _failure_response(
            world, -14005, "Invalid secret key", "secret_key is wrong or missing"
        )
    if form.get("grant_type") == "authorization_code":
        return _exchange_code(request.app[CODES], world, form)
    return _refresh_tokens(world, form.get("refresh_token", ""))


def _exchange_code(
    codes: dict[str, ConsentCode], world: World, form: Mapping[str, str]
) -> web.Response:
    code = codes.pop(form.get("code", ""), None)
    proof = sha256(form.get("code_verifier", "").encode()).digest()
    challenge = urlsafe_b64encode(proof).decode().rstrip("=")
    if code is None or world.clock() > code.expires:
        return _failure_response(world, -14006, "Invalid code", "The code is expired or was used")
    if code.challenge != challenge:
        return _failure_response(world, -14007, "Invalid code verifier", "")
    return web.json_response(new_pair(world))


def _refresh_tokens(world: World, token: str) -> web.Response:
    if token and token in world.tokens.spent:
        return _refusal_response(world.rules.spent_answer, _DEAD_TOKEN)
    if not token or token != world.tokens.refresh or world.clock() >= world.tokens.ends:
        return _refusal_response(world.rules.oauth_failure, _DEAD_TOKEN)
    return web.json_response(new_pair(world))


def new_pair(world: World) -> dict[str, Any]:
    """Rotate the tokens: both old tokens are invalid from now on."""
    rules = world.rules
    kept = world.tokens.refresh if rules.omit_refresh_token else token_urlsafe(32)
    pair = {"access_token": token_urlsafe(32), "refresh_token": kept}
    world.record("granted", **pair, expires=world.clock() + _LIFE_S)
    if rules.omit_refresh_token:
        del pair["refresh_token"]
    more: dict[str, Any] = {"expires_in": rules.expires_in}
    if rules.refresh_token_expires_in is not None:
        more["refresh_token_expires_in"] = rules.refresh_token_expires_in
    return pair | more


def _failure_response(world: World, code: int, name: str, reason: str) -> web.Response:
    body = {"error_name": name, "error_reason": reason, "ref_doc": "", "error": code}
    return _refusal_response(world.rules.oauth_failure, body)


def _refusal_response(form: RefusalForm, body: dict[str, Any]) -> web.Response:
    """A refusal in one of the observed forms."""
    match form:
        case "empty":
            return web.Response()
        case "html":
            return web.Response(
                status=_GATEWAY_TIMEOUT, text=_GATEWAY_PAGE, content_type="text/html"
            )
        case "names_only":
            names = ("error_name", "error_reason", "error_description")
            return web.json_response({name: body.get(name, "") for name in names})
        case "text_code":
            return web.json_response(body | {"error": str(body["error"])})
    return web.json_response(body)
