"""The whole flow against a provider on a real socket and accounts on a real bus."""

import asyncio
import hashlib
from base64 import b64decode
from urllib.parse import parse_qs

import pytest
from joserfc import jwt

from consumers.staff.accounts import OidcSubject
from consumers.staff.errors import ProviderSessionEnded
from consumers.staff.oidc.authorization import Transaction, Transactions
from consumers.staff.oidc.errors import OidcRefused, PersonUnknown
from consumers.staff.oidc.links import IdentityLinks
from consumers.staff.provider_sessions import ProviderSession
from contracts.base.times import utc_now
from contracts.desk.staff_mail import MailChoice
from contracts.errors import Conflict
from contracts.staff.oidc import Beginning
from contracts.staff.sign_in import local_path
from tests.support import oidc_tokens
from tests.support.oidc_provider import CODE, DESK, LEVEL, arrive, provider_double, query
from tests.support.staff import StaffHarness

SUBJECT = "7c9e6679"


@pytest.fixture
def staff(bus, clock) -> StaffHarness:
    return StaffHarness(bus, clock)


@pytest.fixture
async def provider(clock):
    async with provider_double(clock) as double:
        yield double


@pytest.fixture
async def account(staff, provider):
    """An account with password and app, linked to the person of the provider."""
    account = await staff.active()
    identity = OidcSubject(issuer=provider.url, subject=SUBJECT)
    return await IdentityLinks(staff.accounts).link(account.id, identity)


@pytest.fixture
def desk(provider, staff):
    return provider.client(staff)


async def go(desk, provider, **options) -> tuple[Beginning, dict[str, str]]:
    """Begin, and let the provider answer the browser as it should."""
    beginning = await desk.begin(**options)
    request = query(beginning.url)
    provider.nonce = request["nonce"]
    return beginning, {"code": CODE, "state": request["state"], "iss": provider.url}


async def sign_in(desk, provider, token="", **options) -> str:
    beginning, response = await go(desk, provider, **options)
    return (await arrive(desk, response, beginning.cookie, token)).token


async def refusal(desk, provider, token="", **options) -> str:
    with pytest.raises(OidcRefused) as refused:
        await sign_in(desk, provider, token, **options)
    return refused.value.reason.value


async def test_a_linked_person_signs_in_and_the_second_factor_is_the_providers(
    staff, desk, provider, account
):
    found = await staff.sessions.find(await sign_in(desk, provider))
    assert found.account.id == account.id
    assert found.session.provider == ProviderSession(
        issuer=provider.url, subject=SUBJECT, session_id="s1", issued_at=int(staff.clock())
    )
    assert account.local.totp and found.session.second_factor is None
    provider.claims = {"acr": LEVEL, "auth_time": int(staff.clock())}
    found = await staff.sessions.find(await sign_in(desk, provider))
    assert found.session.second_factor == utc_now(staff.clock)


@pytest.mark.promise("15.5")
async def test_no_claim_of_the_provider_gives_a_role(staff, desk, provider, account):
    names = ("role", "roles", "groups", "realm_access", "scope")
    provider.claims = {name: ["quan-tri-tai-khoan"] for name in names}
    found = await staff.sessions.find(await sign_in(desk, provider))
    assert found.account.grants == account.grants
    assert "quan-tri-tai-khoan" not in found.session.model_dump_json()


async def test_the_request_has_state_nonce_and_challenge_and_the_exchange_the_verifier(
    desk, provider, account
):
    beginning, response = await go(desk, provider)
    request = query(beginning.url)
    assert beginning.url.startswith(f"{provider.url}/vao?")
    assert len({request["state"], request["nonce"], request["code_challenge"]}) == 3
    assert request | {"state": "", "nonce": "", "code_challenge": ""} == {
        "response_type": "code", "scope": "openid profile email", "client_id": "loa",
        "acr_values": LEVEL, "max_age": "36000",
        "redirect_uri": f"{DESK}/oidc/ve", "code_challenge_method": "S256",
        "state": "", "nonce": "", "code_challenge": "",
    }  # fmt: skip
    await arrive(desk, response, beginning.cookie)
    digest = hashlib.sha256(provider.form["code_verifier"].encode()).digest()
    assert request["code_challenge"] == oidc_tokens.encode_bytes(digest)
    assert (provider.form["code"], provider.form["redirect_uri"]) == (CODE, f"{DESK}/oidc/ve")
    assert provider.form["code_verifier"] not in beginning.url + beginning.cookie


async def test_the_secret_is_sent_where_the_provider_wants_it(staff, desk, provider, account):
    await sign_in(desk, provider)
    assert b64decode(provider.authorization.removeprefix("Basic ")) == b"loa:a+secret"
    assert "client_secret" not in provider.form
    provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    await sign_in(provider.client(staff), provider)
    assert (provider.form["client_secret"], provider.authorization) == ("a secret", "")


@pytest.mark.parametrize("key", [oidc_tokens.rsa_key(), oidc_tokens.ec_key()], ids=["RSA", "EC"])
async def test_a_private_key_signs_an_assertion_for_this_provider_once(
    staff, provider, account, key
):
    desk = provider.client(staff, key=key)
    seen = set()
    for _ in range(2):
        await sign_in(desk, provider)
        token = jwt.decode(provider.form["client_assertion"], key, ["RS256", "ES256"])
        assert token.claims["iss"] == token.claims["sub"] == "loa"
        assert token.claims["aud"] == provider.url
        assert 0 < token.claims["exp"] - staff.clock() <= 60
        seen.add(token.claims["jti"])
    assert len(seen) == 2 and "client_secret" not in provider.form


RESPONSES = [
    ("state", {"state": "another"}),
    ("state", {"state": ""}),
    ("state", {"state": "é"}),
    ("state", {"state": None, "error": "access_denied"}),
    ("response_issuer", {"iss": "https://ke-gian.example"}),
    ("denied", {"error": "access_denied", "code": None}),
    ("provider_error", {"error": "server_error<script>"}),
    ("code_missing", {"code": None}),
    ("code_missing", {"code": ""}),
    ("code_missing", {"code": "x" * 3000}),
]


@pytest.mark.promise("15.5")
async def test_a_changed_response_is_refused_before_its_code_is_sent(provider):
    desk = provider.client()
    for reason, changes in RESPONSES:
        beginning, response = await go(desk, provider)
        changed = {name: value for name, value in (response | changes).items() if value is not None}
        with pytest.raises(OidcRefused) as refused:
            await arrive(desk, changed, beginning.cookie)
        assert refused.value.reason.value == reason, changes
    assert "/token" not in provider.asked


async def test_a_provider_that_names_itself_in_its_responses_must_do_so(staff, provider, account):
    """Another provider could otherwise have its code, or ours, taken for its own."""
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    desk = provider.client(staff)
    beginning, response = await go(desk, provider)
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, {k: v for k, v in response.items() if k != "iss"}, beginning.cookie)
    assert refused.value.reason.value == "response_issuer"
    provider.metadata.clear()
    desk = provider.client(staff)
    beginning, response = await go(desk, provider)
    del response["iss"]
    assert await arrive(desk, response, beginning.cookie)


async def test_a_response_counts_in_the_browser_that_asked_and_for_ten_minutes(
    staff, desk, provider, account, clock
):
    beginning, response = await go(desk, provider)
    another = Transactions(b"x" * 32).seal(Transaction(started=clock()))
    for cookie in ("", "!", "AAAA", another, beginning.cookie[:-4], "x" * 9000):
        with pytest.raises(OidcRefused) as refused:
            await arrive(desk, response, cookie)
        assert refused.value.reason.value == "transaction"
    clock.advance(600)
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, response, beginning.cookie)
    assert refused.value.reason.value == "transaction"


async def test_a_code_of_another_sign_in_is_refused_by_its_nonce(desk, provider, account):
    """A stranger's code, put into a victim's response."""
    beginning, response = await go(desk, provider)
    provider.nonce = query((await desk.begin()).url)["nonce"]
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, response, beginning.cookie)
    assert refused.value.reason.value == "nonce"


@pytest.mark.promise("15.5")
async def test_one_sign_in_becomes_one_session_also_for_two_requests_at_once(
    desk, provider, account
):
    beginning, response = await go(desk, provider)
    tries = (arrive(desk, response, beginning.cookie) for _ in range(2))
    done = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["Finished", "OidcRefused"]
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, response, beginning.cookie)
    assert refused.value.reason.value == "replayed"


TOKEN_ANSWERS = [
    ("code_refused", 400, {"error": "invalid_grant"}),
    ("token_response", 200, {"token_type": "mac"}),
    ("token_response", 200, {"token_type": 7}),
    ("token_response", 200, {"id_token": None}),
    ("token_response", 200, {"access_token": 7}),
    ("malformed", 200, {"id_token": "x"}),
    ("access_token_hash", 200, {"access_token": "another"}),
]


async def test_an_answer_without_good_tokens_is_refused(provider):
    desk = provider.client()
    for reason, status, answer in TOKEN_ANSWERS:
        provider.status, provider.answer = status, answer
        assert await refusal(desk, provider) == reason, answer


@pytest.mark.promise("15.5")
async def test_a_person_without_an_account_waits_and_gets_nothing(staff, desk, provider, clock):
    """An account with the person's e-mail address or name is no account of theirs."""
    await staff.active("le-van-tam")
    provider.claims = {"email": "le-van-tam@example.org", "email_verified": True, "roles": ["x"]}
    for _ in range(2):
        with pytest.raises(PersonUnknown):
            await sign_in(desk, provider)
        clock.advance(60)
    [person] = await desk.stores.people.all()
    assert (person.subject, person.name, person.login) == (SUBJECT, "Lê Văn Tám", "le-van-tam")
    assert (person.last_seen - person.first_seen).total_seconds() == 60
    assert person.identity == OidcSubject(issuer=provider.url, subject=SUBJECT)
    clock.advance(31 * 86400)
    assert await desk.stores.people.all() == []


async def test_waiting_people_are_bounded_in_number_and_size(staff, desk, provider, monkeypatch):
    monkeypatch.setattr("consumers.staff.oidc.people._MOST", 2)
    for number in range(3):
        provider.claims = {"sub": f"person-{number}", "name": "\u202e" * 500}
        with pytest.raises(PersonUnknown):
            await sign_in(desk, provider)
    people = await desk.stores.people.all()
    assert len(people) == 2 and all(len(one.name) <= 151 for one in people)
    staff.clock.advance(31 * 86400)
    with pytest.raises(PersonUnknown):
        await sign_in(desk, provider)
    assert [one.subject for one in await desk.stores.people.all()] == ["person-2"]


async def test_a_disabled_account_stays_out(staff, desk, provider, account):
    await staff.accounts.set_state(account.id, "disabled")
    assert await refusal(desk, provider) == "account"
    await staff.accounts.set_state(account.id, "active")
    token = await sign_in(desk, provider)
    await staff.accounts.set_state(account.id, "disabled")
    assert await staff.sessions.find(token) is None


async def test_an_identity_belongs_to_one_account_and_linking_ends_sessions(
    staff, desk, provider, account
):
    links = IdentityLinks(staff.accounts)
    token = await sign_in(desk, provider)
    other, _ = await staff.invited("binh")
    staff.clock.advance(60 * 86400)
    with pytest.raises(Conflict):
        await links.link(other.id, account.oidc)
    assert (await links.unlink(account.id)).state == "active"
    assert await staff.sessions.find(token) is None
    with pytest.raises(PersonUnknown):
        await sign_in(desk, provider)
    linked = await links.link(other.id, account.oidc)
    assert (linked.state, linked.invitation) == ("active", None)
    assert linked.last_used == utc_now(staff.clock), "or it would be disabled as unused"
    assert (await staff.sessions.find(await sign_in(desk, provider))).account.id == other.id
    assert (await links.unlink(other.id)).state == "invited"


async def test_the_same_subject_at_another_provider_is_another_person(staff, provider, account):
    async with provider_double(staff.clock) as other:
        with pytest.raises(PersonUnknown):
            await sign_in(other.client(staff), other)


async def test_the_session_that_the_browser_had_ends_with_the_new_one(
    staff, desk, provider, account
):
    old = await sign_in(desk, provider)
    new = await sign_in(desk, provider, token=old)
    assert await staff.sessions.find(old) is None and await staff.sessions.find(new)


# --- step-up


async def test_a_step_up_asks_for_a_sign_in_of_now_and_gives_a_new_session(
    staff, desk, provider, account, clock
):
    token = await sign_in(desk, provider)
    clock.advance(600)
    beginning, response = await go(desk, provider, return_to="/duyet/7", step_up_of=account.id)
    request = query(beginning.url)
    assert (request["prompt"], request["max_age"], request["acr_values"]) == ("login", "0", LEVEL)
    provider.claims = {"acr": LEVEL, "auth_time": int(clock())}
    finished = await arrive(desk, response, beginning.cookie, token)
    found = await staff.sessions.find(finished.token)
    assert found.session.is_stepped_up(utc_now(clock)) and finished.return_to == "/duyet/7"
    assert await staff.sessions.find(token) is None


async def test_a_step_up_is_of_the_person_who_is_signed_in_and_of_now(
    staff, desk, provider, account, clock
):
    token = await sign_in(desk, provider)
    now = int(clock())
    strong = {"acr": LEVEL, "auth_time": now}
    other = await staff.active("binh")
    identity = OidcSubject(issuer=provider.url, subject="another")
    await IdentityLinks(staff.accounts).link(other.id, identity)
    cases = [
        ("auth_time", token, account.id, {"acr": LEVEL}),
        ("auth_time", token, account.id, strong | {"auth_time": now - 60}),
        ("auth_level", token, account.id, strong | {"acr": "password"}),
        ("other_person", token, account.id, strong | {"sub": "another"}),
        ("other_person", token, other.id, strong | {"sub": "another"}),
        ("other_person", "", account.id, strong),
        ("other_person", "x" * 43, account.id, strong),
    ]
    for reason, held, step_up_of, claims in cases:
        provider.claims = claims
        assert await refusal(desk, provider, held, step_up_of=step_up_of) == reason
    found = await staff.sessions.find(token)
    assert found.session.second_factor is None


async def test_without_levels_the_provider_can_not_step_up(desk, provider, account):
    desk.client = type(desk.client)("loa", DESK)
    assert not desk.can_step_up
    assert await refusal(desk, provider, step_up_of=account.id) == "auth_level"


# --- sign-out


@pytest.mark.promise("15.5")
async def test_a_logout_token_ends_the_sessions_it_names_and_no_others(
    staff, desk, provider, account
):
    local = await staff.sessions.start(account)
    one = await sign_in(desk, provider)
    provider.claims = {"sid": "s2"}
    two = await sign_in(desk, provider)
    await desk.end_sessions(provider.logout_token(sid="s3"))
    await desk.end_sessions(provider.logout_token(sub="another", sid="s1"))
    assert await staff.sessions.find(one) and await staff.sessions.find(two)
    await desk.end_sessions(provider.logout_token(sub=None, sid="s1"))
    assert await staff.sessions.find(one) is None and await staff.sessions.find(two)
    await desk.end_sessions(provider.logout_token(sid=None))
    assert await staff.sessions.find(two) is None and await staff.sessions.find(local)


async def test_a_logout_token_works_once(desk, provider, account):
    token = provider.logout_token()
    await desk.end_sessions(token)
    with pytest.raises(OidcRefused) as refused:
        await desk.end_sessions(token)
    assert refused.value.reason.value == "replayed"


@pytest.mark.parametrize("changes", [{}, {"sub": None}, {"sid": None}])
async def test_a_sign_in_that_the_provider_ended_on_its_way_gets_no_session(
    staff, desk, provider, account, changes
):
    beginning, response = await go(desk, provider)
    await desk.end_sessions(provider.logout_token(**changes))
    with pytest.raises(OidcRefused) as refused:
        await arrive(desk, response, beginning.cookie)
    assert refused.value.reason.value == "signed_out"
    staff.clock.advance(1)
    provider.claims = {"sid": "s2"}
    assert await sign_in(desk, provider)


@pytest.mark.promise("15.5")
async def test_a_session_that_gets_a_new_token_meanwhile_does_not_outlive_a_logout(
    staff, desk, provider, account, monkeypatch
):
    """The logout has passed over the sessions before the new token is stored."""
    token = await sign_in(desk, provider)
    find, logout = staff.sessions.find, provider.logout_token()

    async def find_and_be_late(asked):
        found = await find(asked)
        await desk.end_sessions(logout)
        return found

    monkeypatch.setattr(staff.sessions, "find", find_and_be_late)
    with pytest.raises(ProviderSessionEnded):
        await staff.sessions.renew(token, stepped_up=True)
    monkeypatch.undo()
    assert await staff.sessions.of_account(await staff.accounts.find(account.id)) == []


async def test_a_logout_that_failed_can_be_repeated(staff, desk, provider, account, monkeypatch):
    token = await sign_in(desk, provider)
    logout = provider.logout_token()
    with monkeypatch.context() as broken:
        broken.setattr(staff.sessions, "end_of_provider", _fail)
        with pytest.raises(ConnectionError):
            await desk.end_sessions(logout)
    await desk.end_sessions(logout)
    assert await staff.sessions.find(token) is None


async def _fail(_):
    raise ConnectionError


async def test_the_way_out_leads_over_the_provider_if_it_offers_one(staff, desk, provider):
    url = await desk.sign_out_url()
    assert url.startswith(f"{provider.url}/ra?")
    assert query(url) == {"client_id": "loa", "post_logout_redirect_uri": f"{DESK}/"}
    provider.metadata["end_session_endpoint"] = None
    assert await provider.client(staff).sign_out_url() is None


# --- keys of the provider


async def test_a_new_key_is_found_and_unknown_ones_are_looked_for_once_a_minute(
    desk, provider, account, clock
):
    await sign_in(desk, provider)
    provider.header = {"key": oidc_tokens.rsa_key("new")}
    for _ in range(5):
        assert await refusal(desk, provider) == "key_unknown"
    assert provider.asked.count("/keys") == 1
    clock.advance(60)
    provider.keys = oidc_tokens.key_set(oidc_tokens.rsa_key("new"))
    assert await sign_in(desk, provider)
    assert provider.asked.count("/keys") == 2


async def test_a_key_that_the_provider_has_dropped_is_good_for_an_hour_at_most(
    desk, provider, account, clock
):
    await sign_in(desk, provider)
    provider.keys = oidc_tokens.key_set(oidc_tokens.ec_key())
    clock.advance(3600)
    assert await refusal(desk, provider) == "key_unknown"


def test_only_paths_of_this_host_are_returned_to():
    for path in ("/", "/duyet/7?a=b&c=%20", "/a//b"):
        assert local_path(path) == path
    for path in (
        "", "//ke-gian.example", "/\\ke-gian.example", "https://ke-gian.example", "javascript:1",
        "/a\r\nSet-Cookie: x", "/a b", "/a\\b", "/é", "/" + "x" * 600, "\t/a", "/\t/a",
    ):  # fmt: skip
        assert local_path(path) == "/"


async def test_the_return_path_is_cleaned_when_a_sign_in_begins(desk, provider, account):
    beginning, response = await go(desk, provider, return_to="//ke-gian.example")
    assert (await arrive(desk, response, beginning.cookie)).return_to == "/"


async def test_an_endpoint_with_a_query_keeps_it(desk, provider):
    provider.metadata["authorization_endpoint"] = f"{provider.url}/vao?realm=bnv"
    url = (await desk.begin()).url
    assert parse_qs(url.partition("?")[2])["realm"] == ["bnv"]


@pytest.mark.parametrize(
    ("claims", "has_address"),
    [
        ({"email": "an@example.gov.vn", "email_verified": True}, True),
        ({"email": "an@example.gov.vn"}, False),
        ({"email": "an@example.gov.vn", "email_verified": "true"}, False),
        ({"email": "an@@example", "email_verified": True}, False),
        ({"email": ["an@example.gov.vn"], "email_verified": True}, False),
    ],
)
async def test_a_verified_address_is_taken_where_the_account_has_none(
    staff, desk, provider, account, claims, has_address
):
    provider.claims = claims
    await sign_in(desk, provider)
    assert bool((await staff.accounts.find(account.id)).address) is has_address


async def test_an_address_that_a_person_chose_or_took_away_stays_so(staff, desk, provider, account):
    provider.claims = {"email": "moi@example.gov.vn", "email_verified": True}
    own = staff.sign_in.addresses.encrypt(account.id, "an@example.gov.vn")
    await staff.accounts.set_mail(account.id, address=own)
    await sign_in(desk, provider)
    assert (await staff.accounts.find(account.id)).address == own
    none = MailChoice(has_no_address=True)
    await staff.accounts.set_mail(account.id, address="", mail=none)
    await sign_in(desk, provider)
    assert (await staff.accounts.find(account.id)).address == ""
