"""LOA_OIDC_*: the identity provider through which staff sign in; without an issuer, none."""

from pathlib import Path

from pydantic import SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.staff.oidc.metadata import is_safe_address


class OidcSettings(BaseSettings):
    """Settings of the client. The desk needs all of them, a command the issuer alone."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_OIDC_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    issuer: str = ""
    client_id: str = ""
    client_secret: SecretStr = SecretStr("")
    client_key_file: Path | None = None
    second_factor_acr: str = ""
    ca_file: Path | None = None

    @property
    def levels(self) -> frozenset[str]:
        """The values of `acr` that mean two factors."""
        return frozenset(self.second_factor_acr.split())

    @field_validator("issuer")
    @classmethod
    def _is_issuer(cls, url: str) -> str:
        """The issuer as the provider writes it: tokens are compared with it letter by letter."""
        if url and (not is_safe_address(url) or "?" in url):
            raise PydanticCustomError("setting_oidc_issuer", "not an issuer")
        return url
