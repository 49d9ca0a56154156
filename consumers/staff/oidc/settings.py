"""LOA_OIDC_*: the identity provider through which staff sign in; without an issuer, none."""

from pathlib import Path
from typing import Self

from pydantic import SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from consumers.staff.oidc.metadata import is_safe_address


class OidcSettings(BaseSettings):
    """Settings of the client. It proves itself with a secret or with a private key."""

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

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        """An issuer needs a client and one proof of it."""
        if not self.issuer:
            return self
        proofs = [bool(self.client_secret.get_secret_value()), self.client_key_file is not None]
        if not self.client_id or proofs.count(True) != 1:
            variable = "CLIENT_SECRET" if self.client_id else "CLIENT_ID"
            message = f"LOA_OIDC_{variable} is missing, or given twice"
            raise PydanticCustomError("setting_oidc_client", "{message}", {"message": message})
        return self
