"""The provider's metadata (OpenID Connect Discovery 1.0), and which addresses may be used."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from channels.email.settings import is_loopback
from consumers.staff.oidc.errors import ProviderFault, ProviderUnavailable

DISCOVERY_PATH = "/.well-known/openid-configuration"
_CHALLENGE = "S256"


@dataclass(frozen=True, slots=True)
class ProviderMetadata:
    """The parts of the metadata that Loa uses. An empty `end_session_endpoint`: none is offered."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    names_issuer_in_response: bool = False
    takes_secret_in_form_only: bool = False


def is_safe_address(url: object) -> bool:
    """Whether *url* is https, or http on this machine; no user name and no fragment."""
    if not isinstance(url, str) or not url.isascii() or not url.isprintable():
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    if not host or "@" in parts.netloc or "#" in url or " " in url:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))


def parse_metadata(document: Mapping[str, Any], issuer: str) -> ProviderMetadata:
    """Check a discovery document. Raises ProviderUnavailable."""
    if document.get("issuer") != issuer:
        raise ProviderUnavailable(ProviderFault.ISSUER)
    challenges = document.get("code_challenge_methods_supported")
    if challenges is not None and _CHALLENGE not in _names(challenges):
        raise ProviderUnavailable(ProviderFault.NO_PKCE)
    secret_methods = _names(document.get("token_endpoint_auth_methods_supported"))
    return ProviderMetadata(
        issuer=issuer,
        authorization_endpoint=_endpoint(document, "authorization_endpoint", issuer),
        token_endpoint=_endpoint(document, "token_endpoint", issuer),
        jwks_uri=_endpoint(document, "jwks_uri", issuer),
        end_session_endpoint=_optional_endpoint(document, "end_session_endpoint", issuer),
        names_issuer_in_response=document.get("authorization_response_iss_parameter_supported")
        is True,
        takes_secret_in_form_only="client_secret_post" in secret_methods
        and "client_secret_basic" not in secret_methods,
    )


def _names(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    """A required address. Raises ProviderUnavailable.

    A provider elsewhere must not lead to this machine's own services.
    """
    address = document.get(name)
    if not isinstance(address, str) or not is_safe_address(address):
        raise ProviderUnavailable(ProviderFault.ENDPOINT)
    if _is_on_this_machine(address) and not _is_on_this_machine(issuer):
        raise ProviderUnavailable(ProviderFault.ENDPOINT)
    return address


def _is_on_this_machine(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")


def _optional_endpoint(document: Mapping[str, Any], name: str, issuer: str) -> str:
    return _endpoint(document, name, issuer) if document.get(name) else ""
