"""Joins sign-in with OpenID Connect: settings, the provider, accounts and sessions."""

from consumers.app.settings import read_settings
from consumers.key_file import KeyFile
from consumers.messages import field_error
from consumers.staff.oidc.authorization import Transactions
from consumers.staff.oidc.client_auth import Client
from consumers.staff.oidc.http_client import ProviderHttp
from consumers.staff.oidc.provider import Provider
from consumers.staff.oidc.service import KEY_PURPOSE, OidcClient, OidcSignIn, OidcStores
from consumers.staff.oidc.settings import OidcSettings
from contracts.errors import Invalid


def open_oidc(stores: OidcStores, keys: KeyFile, desk_url: str) -> OidcSignIn | None:
    """Sign-in through the provider of LOA_OIDC_ISSUER; None without one.

    Raises Invalid, which names the variable, for a setting or a file that can't be used.
    """
    settings = read_settings(OidcSettings)
    if not settings.issuer:
        return None
    provider = Provider(
        settings.issuer, Client.open(settings), _http(settings), stores.accounts.clock
    )
    client = OidcClient(settings.client_id, desk_url, settings.levels)
    return OidcSignIn(provider, client, stores, Transactions(keys.derive(KEY_PURPOSE)))


def _http(settings: OidcSettings) -> ProviderHttp:
    try:
        return ProviderHttp(settings.ca_file)
    except OSError as wrong:  # ssl.SSLError is one
        error = field_error("LOA_OIDC_CA_FILE", "oidc_ca_unusable", value=settings.ca_file)
        raise Invalid(error) from wrong
