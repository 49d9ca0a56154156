"""LOA_OIDC_*: what is missing or can't be used stops the start, and is named."""

import pytest
from joserfc.jwk import ECKey

from consumers.app.wiring.oidc import open_oidc
from consumers.staff.oidc.service import OidcStores
from contracts.errors import Invalid
from tests.support import oidc_tokens
from tests.support.staff import KEYS, StaffHarness

ISSUER = {"LOA_OIDC_ISSUER": "https://dinh-danh.example"}
CLIENT = ISSUER | {"LOA_OIDC_CLIENT_ID": "loa"}
SECRET = CLIENT | {"LOA_OIDC_CLIENT_SECRET": "s"}


@pytest.fixture
def given(monkeypatch, tmp_path, bus, clock):
    """Sign-in as these variables set it; a file is named below the test's folder."""
    monkeypatch.chdir(tmp_path)
    staff = StaffHarness(bus, clock)
    stores = OidcStores(staff.accounts, staff.sessions, staff.sign_in.addresses)

    def given(variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return open_oidc(stores, KEYS, "https://desk.example")

    return given


def private_key(path, pem: bytes, mode: int = 0o600) -> str:
    path.write_bytes(pem)
    path.chmod(mode)
    return str(path)


async def test_without_an_issuer_there_is_none(given):
    assert given({"LOA_OIDC_CLIENT_ID": "loa"}) is None


async def test_a_secret_or_a_key_proves_the_client(given, tmp_path):
    assert given(SECRET).provider.client.secret == "s"
    pem = oidc_tokens.ec_key().as_pem(private=True)
    key_file = private_key(tmp_path / "key.pem", pem)
    named = CLIENT | {"LOA_OIDC_CLIENT_KEY_FILE": key_file, "LOA_OIDC_CLIENT_SECRET": ""}
    client = given(named | {"LOA_OIDC_SECOND_FACTOR_ACR": "mfa gold"})
    assert client.client.levels == {"mfa", "gold"}
    assert isinstance(client.provider.client.key, ECKey)
    assert pem.decode() not in repr(client) and "'d'" not in repr(client)


@pytest.mark.parametrize(
    ("variable", "variables"),
    [
        ("LOA_OIDC_ISSUER", {"LOA_OIDC_ISSUER": "http://dinh-danh.example"}),
        ("LOA_OIDC_ISSUER", {"LOA_OIDC_ISSUER": "https://dinh-danh.example/?a"}),
        ("LOA_OIDC_ISSUER", {"LOA_OIDC_ISSUER": "dinh-danh.example"}),
        ("LOA_OIDC_CLIENT_ID", ISSUER | {"LOA_OIDC_CLIENT_SECRET": "s"}),
        ("LOA_OIDC_CLIENT_SECRET", CLIENT),
        ("LOA_OIDC_CLIENT_SECRET", SECRET | {"LOA_OIDC_CLIENT_KEY_FILE": "key.pem"}),
    ],
)
async def test_a_variable_that_is_missing_or_wrong_is_named(given, variable, variables):
    with pytest.raises(Invalid) as wrong:
        given(variables)
    [error] = wrong.value.errors
    assert error.field == variable and "s" not in error.message.split()


async def test_a_file_that_can_not_be_used_is_named(given, tmp_path):
    rsa = oidc_tokens.rsa_key()
    files = {
        "open.pem": (rsa.as_pem(private=True), 0o644),
        "public.pem": (rsa.as_pem(private=False), 0o600),
        "curve.pem": (oidc_tokens.ec_key("p521", "P-521").as_pem(private=True), 0o600),
        "none.pem": (b"-----BEGIN", 0o600),
    }
    for name, (pem, mode) in files.items():
        path = private_key(tmp_path / name, pem, mode)
        with pytest.raises(Invalid) as wrong:
            given(CLIENT | {"LOA_OIDC_CLIENT_KEY_FILE": path})
        assert wrong.value.errors[0].field == "LOA_OIDC_CLIENT_KEY_FILE" and name in str(
            wrong.value
        )
    with pytest.raises(Invalid):
        given(CLIENT | {"LOA_OIDC_CLIENT_KEY_FILE": str(tmp_path / "absent.pem")})
    with pytest.raises(Invalid) as wrong:
        given(SECRET | {"LOA_OIDC_CLIENT_KEY_FILE": "", "LOA_OIDC_CA_FILE": "none.pem"})
    assert wrong.value.errors[0].field == "LOA_OIDC_CA_FILE"
