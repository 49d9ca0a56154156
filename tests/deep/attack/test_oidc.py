"""Sign-in against a real identity provider, whose tokens a proxy changes part by part."""

import time

import pytest

from consumers.staff.accounts import OidcSubject
from consumers.staff.oidc.authorization import Transactions
from consumers.staff.oidc.client_auth import Client
from consumers.staff.oidc.errors import OidcRefused, PersonUnknown
from consumers.staff.oidc.http_client import ProviderHttp
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.oidc.provider import Provider
from consumers.staff.oidc.service import OidcClient, OidcSignIn, OidcStores
from tests.support import oidc_tokens
from tests.support.identity_provider import (
    CLIENT_ID,
    RSA,
    SECRET,
    identity_provider,
    plain_browser,
    provider_folder,
    register_key,
)
from tests.support.oidc_provider import arrive, query
from tests.support.staff import StaffHarness

DESK = "http://127.0.0.1:9"
LEVELS = frozenset({"mfa"})
__all__ = ["provider_folder"]


@pytest.fixture
def staff(bus) -> StaffHarness:
    return StaffHarness(bus, time.time)


def open_desk(provider, staff, **client) -> OidcSignIn:
    client = client or {"secret": SECRET}
    return OidcSignIn(
        Provider(provider.url, Client(CLIENT_ID, **client), ProviderHttp(), time.time),
        OidcClient(CLIENT_ID, DESK, LEVELS),
        OidcStores(staff.accounts, staff.sessions, staff.sign_in.addresses),
        Transactions(b"k" * 32),
    )


@pytest.fixture
async def provider(provider_folder):
    async with identity_provider(provider_folder, DESK) as provider:
        yield provider


@pytest.fixture
async def browser(provider):
    async with plain_browser(provider) as browser:
        yield browser


@pytest.fixture
def desk(provider, staff):
    return open_desk(provider, staff)


@pytest.fixture
async def account(staff, provider):
    """An account that is linked to the person `an`."""
    account, _ = await staff.invited()
    return await IdentityLinks(staff.accounts).link(
        account.id, OidcSubject(issuer=provider.url, subject="an")
    )


async def respond(desk, browser, person="an", acr="", **options):
    """A sign-in up to the provider's answer: the cookie, and the answer's parameters."""
    beginning = await desk.begin(**options)
    response = await browser.sign_in(beginning.url, f"{DESK}/oidc/ve", person, acr)
    return beginning.cookie, response


async def sign_in(desk, browser, token="", **options) -> str:
    cookie, response = await respond(desk, browser, **options)
    return (await arrive(desk, response, cookie, token)).token


async def refusal(desk, browser, token="", **options) -> str:
    with pytest.raises(OidcRefused) as refused:
        await sign_in(desk, browser, token, **options)
    return refused.value.reason.value


async def test_a_linked_person_signs_in_and_a_stranger_waits(staff, desk, browser, account):
    found = await staff.sessions.find(await sign_in(desk, browser, acr="mfa"))
    assert found.account.id == account.id and found.session.second_factor
    assert found.session.provider.session_id
    async with plain_browser(desk.provider) as other:
        with pytest.raises(PersonUnknown):
            await sign_in(desk, other, person="binh")
    [person] = await desk.stores.people.all()
    assert (person.subject, person.name) == ("binh", "Người binh")


async def test_a_weak_sign_in_is_no_second_factor(staff, desk, browser, account):
    found = await staff.sessions.find(await sign_in(desk, browser, acr="password"))
    assert found.session.second_factor is None


@pytest.mark.parametrize("key", [oidc_tokens.rsa_key("own"), oidc_tokens.ec_key("own")])
async def test_a_private_key_proves_the_client(provider_folder, staff, key):
    async with (
        identity_provider(provider_folder, DESK, **register_key(key)) as provider,
        plain_browser(provider) as browser,
    ):
        with pytest.raises(PersonUnknown):
            await sign_in(open_desk(provider, staff, key=key), browser)


NOW = int(time.time())
CHANGED = {
    "iss": ("https://ke-gian.example", "issuer"),
    "aud": ("another", "audience"),
    "azp": ("another", "authorized_party"),
    "sub": ("", "subject"),
    "exp": (NOW - 3600, "expired"),
    "iat": (NOW + 3600, "issued_at"),
    "nbf": (NOW + 3600, "not_yet_valid"),
    "nonce": ("another", "nonce"),
    "at_hash": ("another", "access_token_hash"),
    "auth_time": (NOW + 3600, "auth_time"),
    "sid": ("", "session_id"),
}


@pytest.mark.promise("15.5")
async def test_each_changed_claim_is_refused_although_the_signature_is_right(
    desk, provider, browser, account
):
    for claim, (value, reason) in CHANGED.items():
        provider.change_claims(**{claim: value})
        assert await refusal(desk, browser) == reason, claim
    for claim in ("iss", "aud", "sub", "exp", "iat", "nonce"):
        provider.change_claims(**{claim: None})
        assert await refusal(desk, browser) == CHANGED[claim][1], claim
    provider.leave()
    assert await sign_in(desk, browser)


@pytest.mark.promise("15.5")
async def test_each_changed_part_of_a_token_is_refused(desk, provider, browser, account):
    stranger = oidc_tokens.rsa_key("foreign")

    def parts(token):
        return token.split(".")

    def claims(token):
        return provider.claims(token)

    changes = {
        "algorithm": [
            lambda token: f"{oidc_tokens.encode({'alg': 'none'})}.{parts(token)[1]}.",
            lambda token: oidc_tokens.sign_with_secret(
                claims(token), RSA.as_pem(private=False), kid="rsa"
            ),
            lambda token: oidc_tokens.sign_with_secret(claims(token), SECRET.encode()),
        ],
        "signature": [
            lambda token: oidc_tokens.sign(claims(token), stranger, kid="rsa"),
            lambda token: ".".join((*parts(token)[:2], "A" * 342)),
            lambda token: ".".join(
                (parts(token)[0], oidc_tokens.encode(claims(token) | {"sub": "x"}), parts(token)[2])
            ),
        ],
        "key_unknown": [
            lambda token: oidc_tokens.sign(claims(token), stranger),
            lambda token: oidc_tokens.sign(claims(token), RSA, kid="ec"),
        ],
        "type": [lambda token: oidc_tokens.sign(claims(token), RSA, typ="at+jwt")],
        "malformed": [lambda _: "x", lambda token: token + "." + token, lambda _: "é.é.é"],
    }
    for reason, ways in changes.items():
        for change in ways:
            provider.change_id_token(change)
            assert await refusal(desk, browser) == reason


async def test_another_key_set_is_no_way_in(desk, staff, provider, browser, account):
    """Keys that the provider does not publish are looked for, and no more than once a minute."""
    await sign_in(desk, browser)
    stranger = oidc_tokens.rsa_key("foreign")
    provider.change_id_token(lambda token: oidc_tokens.sign(provider.claims(token), stranger))
    before = provider.asked.count("/jwks")
    for _ in range(3):
        assert await refusal(desk, browser) == "key_unknown"
    assert provider.asked.count("/jwks") == before


async def test_a_swapped_key_set_takes_no_token_of_the_provider(desk, provider, browser, account):
    foreign = oidc_tokens.key_set(oidc_tokens.rsa_key("foreign"))
    foreign["keys"][0]["kid"] = "rsa"
    provider.tamper = lambda path, document: foreign if path == "/jwks" else document
    assert await refusal(desk, browser) == "signature"


async def test_an_answer_of_another_sign_in_or_provider_is_refused(desk, browser, account):
    cookie, response = await respond(desk, browser)
    for reason, changes in (
        ("state", {"state": "another"}),
        ("response_issuer", {"iss": "https://ke-gian.example"}),
        ("response_issuer", {"iss": ""}),
    ):
        with pytest.raises(OidcRefused) as refused:
            await arrive(desk, response | changes, cookie)
        assert refused.value.reason.value == reason
    del response["iss"]
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, response, cookie)
    assert refused.value.reason.value == "response_issuer"


@pytest.mark.promise("15.5")
async def test_a_code_works_once_and_only_with_its_verifier(desk, provider, browser, account):
    cookie, response = await respond(desk, browser)
    await arrive(desk, response, cookie)
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, response, cookie)
    assert refused.value.reason.value == "code_refused"
    own_cookie, own = await respond(desk, browser)
    stolen = (await respond(desk, browser))[1]
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, own | {"code": stolen["code"]}, own_cookie)
    assert refused.value.reason.value == "code_refused"


async def test_without_a_challenge_the_provider_gives_no_code(desk, browser, account):
    beginning = await desk.begin()
    request = {k: v for k, v in query(beginning.url).items() if not k.startswith("code_challenge")}
    url = f"{desk.provider.issuer}/auth"
    async with browser.http.get(url, params=request, allow_redirects=False) as answer:
        assert query(answer.headers["Location"])["error"] == "invalid_request"


async def test_a_step_up_asks_the_person_anew(staff, desk, browser, account):
    """Without it the provider's own session answers at once, and with the old strength."""
    token = await sign_in(desk, browser, acr="password")
    assert (
        await refusal(desk, browser, token, acr="password", step_up_of=account.id) == "auth_level"
    )
    before = time.time() - 1
    token = await sign_in(desk, browser, token, acr="mfa", step_up_of=account.id)
    found = await staff.sessions.find(token)
    assert found.session.second_factor.timestamp() >= before


async def test_an_old_sign_in_is_no_step_up(staff, desk, provider, browser, account):
    token = await sign_in(desk, browser, acr="mfa")
    provider.change_claims(auth_time=int(time.time()) - 120)
    assert await refusal(desk, browser, token, acr="mfa", step_up_of=account.id) == "auth_time"


async def test_a_step_up_by_another_person_is_refused(staff, desk, browser, account):
    token = await sign_in(desk, browser)
    other, _ = await staff.invited("binh")
    identity = account.oidc.model_copy(update={"subject": "binh"})
    await IdentityLinks(staff.accounts).link(other.id, identity)
    async with plain_browser(desk.provider) as elsewhere:
        wanted = {"person": "binh", "acr": "mfa", "step_up_of": account.id}
        assert await refusal(desk, elsewhere, token, **wanted) == "other_person"
