"""ID tokens and logout tokens: each part that is changed is refused, by its name."""

import json
from base64 import urlsafe_b64decode
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumers.staff.oidc import id_token, logout_token
from consumers.staff.oidc.errors import OidcRefused, Reason
from consumers.staff.oidc.id_token import Expected
from consumers.staff.oidc.signature import SigningKeys, verify
from contracts.base.times import utc_time
from tests.support import oidc_tokens
from tests.support.oidc_tokens import (
    ACCESS_TOKEN,
    CLIENT_ID,
    ISSUER,
    LOGOUT_EVENT,
    NONCE,
    NOW,
    ec_key,
    encode,
    id_claims,
    key_set,
    logout_claims,
    rsa_key,
    sign,
)

KEYS = SigningKeys.parse(key_set())
EXPECTED = Expected(
    issuer=ISSUER, client_id=CLIENT_ID, now=NOW, nonce=NONCE, access_token=ACCESS_TOKEN,
    levels=frozenset({"mfa"}),
)  # fmt: skip
STEP_UP = replace(EXPECTED, fresh_since=NOW - 60)
FRESH = {"auth_time": int(NOW) - 5, "acr": "mfa"}


def refusal(token: object, expected: Expected = EXPECTED, keys: SigningKeys = KEYS) -> str:
    """The reason why an ID token is refused; empty when it is taken."""
    try:
        id_token.read_identity(verify(token, keys, id_token.TYPES), expected)
    except OidcRefused as refused:
        return refused.reason.value
    return ""


@pytest.mark.parametrize("key", [rsa_key(), ec_key()], ids=["RS256", "ES256"])
def test_a_good_token_names_the_person_and_proves_no_second_factor(key):
    identity = id_token.read_identity(verify(sign(id_claims(), key), KEYS, ("jwt",)), EXPECTED)
    assert (identity.issuer, identity.subject) == (ISSUER, "7c9e6679")
    assert (identity.session_id, identity.second_factor) == ("s1", None)
    assert (identity.name, identity.login) == ("Lê Văn Tám", "le-van-tam")


CHANGED_CLAIMS = [
    ("issuer", {"iss": "https://ke-gian.example"}),
    ("issuer", {"iss": f"{ISSUER}/"}),
    ("issuer", {"iss": None}),
    ("issuer", {"iss": [ISSUER]}),
    ("audience", {"aud": "another"}),
    ("audience", {"aud": [CLIENT_ID, "another"]}),
    ("audience", {"aud": []}),
    ("audience", {"aud": None}),
    ("audience", {"aud": {CLIENT_ID: 1}}),
    ("authorized_party", {"azp": "another"}),
    ("authorized_party", {"azp": ""}),
    ("subject", {"sub": None}),
    ("subject", {"sub": ""}),
    ("subject", {"sub": "x" * 256}),
    ("subject", {"sub": 7}),
    ("subject", {"sub": "tên"}),
    ("subject", {"sub": "a\nb"}),
    ("expired", {"exp": int(NOW) - 31}),
    ("expired", {"exp": None}),
    ("expired", {"exp": str(int(NOW) + 300)}),
    ("expired", {"exp": True}),
    ("expired", {"exp": float("inf")}),
    ("expired", {"exp": float("nan")}),
    ("expired", {"exp": 10**400}),
    ("issued_at", {"iat": int(NOW) + 31}),
    ("issued_at", {"iat": int(NOW) - 601}),
    ("issued_at", {"iat": None}),
    ("not_yet_valid", {"nbf": int(NOW) + 31}),
    ("not_yet_valid", {"nbf": "soon"}),
    ("nonce", {"nonce": "another"}),
    ("nonce", {"nonce": ""}),
    ("nonce", {"nonce": None}),
    ("nonce", {"nonce": "\ud800"}),
    ("nonce", {"nonce": [NONCE]}),
    ("access_token_hash", {"at_hash": oidc_tokens.at_hash("another")}),
    ("access_token_hash", {"at_hash": 7}),
    ("auth_time", {"auth_time": int(NOW) + 31}),
    ("auth_time", {"auth_time": "now"}),
    ("session_id", {"sid": ""}),
    ("session_id", {"sid": {}}),
]


@pytest.mark.promise("15.5")
@pytest.mark.parametrize(("reason", "changes"), CHANGED_CLAIMS)
def test_a_changed_claim_is_refused_by_its_name(reason, changes):
    assert refusal(sign(id_claims(**changes))) == reason


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [CLIENT_ID]},
        {"azp": CLIENT_ID},
        {"exp": int(NOW) - 29},
        {"iat": int(NOW) + 29},
        {"nbf": int(NOW) + 29},
        {"at_hash": None},
        {"sid": None},
        {"sub": "x" * 255},
        {"acr": ["mfa"]},
        {"name": {"not": "text"}},
    ],
)
def test_what_the_standard_allows_is_taken(changes):
    assert refusal(sign(id_claims(**changes))) == ""


def test_without_a_nonce_of_ours_no_token_is_taken():
    assert refusal(sign(id_claims(nonce="")), replace(EXPECTED, nonce="")) == "nonce"


STEP_UPS = [
    ("", FRESH),
    ("auth_time", {"acr": "mfa"}),
    ("auth_time", FRESH | {"auth_time": int(NOW) - 91}),
    ("auth_level", {"auth_time": int(NOW)}),
    ("auth_level", FRESH | {"acr": "password"}),
    ("auth_level", FRESH | {"acr": ["mfa"]}),
]


@pytest.mark.promise("15.5")
@pytest.mark.parametrize(("reason", "changes"), STEP_UPS)
def test_a_step_up_takes_a_sign_in_of_now_with_two_factors(reason, changes):
    assert refusal(sign(id_claims(**changes)), STEP_UP) == reason


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        (FRESH, int(NOW) - 5),
        (FRESH | {"auth_time": int(NOW) + 20}, NOW),
        (FRESH | {"acr": "password"}, None),
        ({"acr": "mfa"}, None),
    ],
)
def test_a_second_factor_counts_from_the_time_at_which_it_was_given(changes, at):
    claims = verify(sign(id_claims(**changes)), KEYS, id_token.TYPES)
    second_factor = id_token.read_identity(claims, EXPECTED).second_factor
    assert second_factor == (None if at is None else utc_time(at))


def public_pem() -> bytes:
    return rsa_key().as_pem(private=False)


@pytest.mark.promise("15.5")
def test_an_unsigned_token_and_one_signed_with_the_public_key_are_refused():
    good = sign(id_claims())
    unsigned = f"{encode({'alg': 'none', 'typ': 'JWT'})}.{good.split('.')[1]}."
    assert refusal(unsigned) == "algorithm"
    for secret in (public_pem(), public_pem().strip(), b"loa"):
        forged = oidc_tokens.sign_with_secret(id_claims(), secret, kid="rsa")
        assert refusal(forged) == "algorithm"
    for name in ("None", "rs256", "RS512", "PS256", "ES384", "EdDSA", "", 256, None):
        assert refusal(f"{encode({'alg': name})}.{'.'.join(good.split('.')[1:])}") == "algorithm"


def test_a_key_of_the_wrong_kind_name_or_owner_is_refused():
    ours, foreign = rsa_key(), rsa_key("foreign")
    assert refusal(sign(id_claims(), foreign)) == "key_unknown"
    assert refusal(sign(id_claims(), foreign, kid="rsa")) == "signature"
    assert refusal(sign(id_claims(), ours, kid="ec")) == "key_unknown"
    assert refusal(sign(id_claims(), ours, kid=7)) == "key_unknown"
    embedded = sign(id_claims(), foreign, kid="rsa", jwk=foreign.as_dict(private=False))
    assert refusal(embedded) == "signature"
    assert (
        refusal(sign(id_claims(), foreign, kid="rsa", jku="https://ke-gian.example")) == "signature"
    )


def test_a_token_without_a_key_id_is_taken_only_where_one_key_can_be_meant():
    two = SigningKeys.parse(key_set(rsa_key(), rsa_key("foreign")))
    nameless = sign(id_claims(), kid=None)
    assert refusal(nameless) == ""
    assert refusal(nameless, keys=two) == "key_unknown"
    twins = SigningKeys.parse({"keys": key_set(rsa_key())["keys"] * 2})
    assert refusal(sign(id_claims()), keys=twins) == "key_unknown"


def test_a_changed_byte_breaks_the_signature():
    head, body, signature = sign(id_claims()).split(".")
    other = encode(id_claims(sub="another"))
    assert refusal(f"{head}.{other}.{signature}") == "signature"
    assert refusal(f"{head}.{body}.{'A' * len(signature)}") == "signature"
    assert refusal(f"{head}.{body}.") == "signature"
    replaced = encode(json.loads(urlsafe_b64decode(head + "==")) | {"cty": "x"})
    assert refusal(f"{replaced}.{body}.{signature}") == "signature"


def test_another_kind_of_token_is_refused():
    for kind in ("at+jwt", "logout+jwt", "JOSE", "", 7, "application/at+jwt"):
        assert refusal(sign(id_claims(), typ=kind)) == "type"
    assert refusal(sign(id_claims(), typ=None)) == ""
    assert refusal(sign(logout_claims(nonce=NONCE, events=None))) == ""
    assert refusal(sign(logout_claims())) == "nonce"


DEEP = "[" * 3000
LONG = ".".join("x" * 9000 for _ in "abc")
HEADERS = [
    "alg", ["alg"], None, 7, {"alg": "RS256", "crit": ["b64"], "b64": False},
    {"alg": "RS256", "crit": ["exp"]},
]  # fmt: skip
GARBAGE = [
    *(None, 7, b"a.b.c", "", "a", "a.b", "..", "a.b.c", "a.b.c.d", "é.é.é", LONG),
    *(f"{encode(header)}.e30.x" for header in HEADERS),
]


@pytest.mark.parametrize("token", GARBAGE)
def test_garbage_is_refused_and_breaks_nothing(token):
    assert refusal(token) == "malformed"


@pytest.mark.parametrize("payload", ["", "[]", "7", "null", '"x"', "{", "\x00", DEEP])
def test_signed_garbage_is_refused_too(payload):
    assert refusal(sign(payload)) == "malformed"


def test_a_header_nested_deeply_is_refused():
    assert refusal(f"{oidc_tokens.encode_bytes(DEEP.encode())}.e30.x") == "malformed"


def test_only_signing_keys_of_good_size_are_taken_from_a_set():
    entry = key_set(rsa_key())["keys"][0]
    unfit = [
        *key_set(ec_key("p521", "P-521"))["keys"],
        oidc_tokens.short_rsa_key(),
        entry | {"use": "enc"},
        entry | {"alg": "RS512"},
        entry | {"alg": "PS256"},
        entry | {"key_ops": ["encrypt"]},
        entry | {"key_ops": 7},
        entry | {"n": "!"},
        entry | {"n": None},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "rsa"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": ["RSA"]},
        {},
        7,
    ]
    assert SigningKeys.parse({"keys": unfit}).keys == ()
    assert SigningKeys.parse({}).keys == SigningKeys.parse({"keys": 7}).keys == ()
    assert len(SigningKeys.parse({"keys": [*unfit, entry]}).keys) == 1
    assert SigningKeys.parse({"keys": [{}] * 32 + [entry]}).keys == ()


GOOD = sign(id_claims(), ec_key())
PIECES = st.sampled_from([".", "=", "A", "_", "é", "\x00", "e30", *GOOD.split(".")])


@given(st.integers(0, len(GOOD)), st.integers(0, 8), st.text(max_size=4) | PIECES)
@settings(max_examples=50, deadline=None)
def test_however_a_token_is_bent_it_is_refused_or_says_the_same(at, length, piece):
    """A text that decodes to the same bytes is the same token."""
    bent = GOOD[:at] + piece + GOOD[at + length :]
    try:
        assert verify(bent, KEYS, id_token.TYPES) == id_claims()
    except OidcRefused:
        assert bent != GOOD


# --- logout tokens


def logout_refusal(token: str) -> str:
    expected = replace(EXPECTED, nonce="", access_token="")
    try:
        claims = verify(token, KEYS, logout_token.TYPES)
        logout_token.read_ended_session(claims, expected)
    except OidcRefused as refused:
        return refused.reason.value
    return ""


CHANGED_LOGOUTS = [
    ("", {}),
    ("", {"exp": None}),
    ("", {"sid": None}),
    ("", {"sub": None}),
    ("issuer", {"iss": "https://ke-gian.example"}),
    ("audience", {"aud": "another"}),
    ("audience", {"aud": [CLIENT_ID, "another"]}),
    ("expired", {"exp": int(NOW) - 31}),
    ("expired", {"exp": "x"}),
    ("issued_at", {"iat": int(NOW) - 601}),
    ("issued_at", {"iat": int(NOW) + 31}),
    ("issued_at", {"iat": None}),
    ("not_yet_valid", {"nbf": int(NOW) + 31}),
    ("event", {"events": None}),
    ("event", {"events": {}}),
    ("event", {"events": {LOGOUT_EVENT: True}}),
    ("event", {"events": [LOGOUT_EVENT]}),
    ("nonce", {"nonce": NONCE}),
    ("token_id", {"jti": None}),
    ("token_id", {"jti": ""}),
    ("token_id", {"jti": 7}),
    ("session_id", {"sub": None, "sid": None}),
    ("session_id", {"sid": ""}),
    ("session_id", {"sub": "", "sid": "s1"}),
    ("session_id", {"sub": ["7c9e6679"]}),
]


@pytest.mark.parametrize(("reason", "changes"), CHANGED_LOGOUTS)
@pytest.mark.parametrize("kind", ["logout+jwt", "JWT", None])
def test_a_logout_token_is_taken_or_refused_by_its_name(reason, changes, kind):
    assert logout_refusal(sign(logout_claims(**changes), typ=kind)) == reason


def test_an_id_token_signs_no_one_out():
    assert logout_refusal(sign(id_claims())) == "event"
    assert logout_refusal(sign(logout_claims(), typ="at+jwt")) == "type"


def test_every_reason_is_a_name_that_a_test_has_seen():
    """A new reason comes with its row in a table above or in the tests of the flow."""
    seen = {reason for reason, _ in CHANGED_CLAIMS + STEP_UPS + CHANGED_LOGOUTS if reason}
    of_signature = {"algorithm", "key_unknown", "signature", "type", "malformed"}
    of_flow = {
        "transaction", "state", "denied", "provider_error", "response_issuer", "code_missing",
        "code_refused", "token_response", "other_person", "account", "signed_out", "replayed",
    }  # fmt: skip
    assert seen | of_signature | of_flow == {reason.value for reason in Reason}
