"""LOA_ZALO_*: our app at Zalo, its secrets and limits, and Zalo's hosts."""

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.fetch.url_policy import parse_policy
from contracts.base.fields import HttpUrl

_OPENAPI_URL = "https://openapi.zalo.me"
_BUSINESS_URL = "https://business.openapi.zalo.me"
_OAUTH_URL = "https://oauth.zaloapp.com"
ZALO_DOMAINS = (".zalo.me", ".zaloapp.com")
_LOOKUP_URL = "https://dichvucong.gov.vn"
"""The national public service portal, where people look their dossiers up."""


class ZaloSettings(BaseSettings):
    """Settings of the Zalo channel.

    Two secrets: the app secret authenticates us, the OA secret verifies calls of our webhook.
    """

    model_config = SettingsConfigDict(
        env_prefix="LOA_ZALO_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    app_id: str = Field(default="", pattern="^[-_A-Za-z0-9]*$")
    app_secret: SecretStr = SecretStr("")
    oa_secret: SecretStr = SecretStr("")
    articles_per_month: int = Field(default=0, ge=0)
    broadcasts_per_month: int = Field(default=0, ge=0)
    broadcasts_per_day: int = Field(default=0, ge=0)
    notices_per_day: int = Field(default=0, ge=0)
    money_per_day: int = Field(default=0, ge=0)
    money_per_month: int = Field(default=0, ge=0)
    connections: int = Field(default=4, ge=1, le=64)
    calls_per_s: float = Field(default=5.0, gt=0, le=1000)
    notices_per_s: float = Field(default=20.0, gt=0, le=1000)
    cover_allow: str = ""
    callback_url: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    code_verifier: SecretStr = SecretStr("")
    lookup_url: HttpUrl = _LOOKUP_URL
    silent_after_h: float = Field(default=24.0, ge=0)
    openapi_url: HttpUrl = _OPENAPI_URL
    business_url: HttpUrl = _BUSINESS_URL
    oauth_url: HttpUrl = _OAUTH_URL

    @field_validator("cover_allow")
    @classmethod
    def _valid_cover_allow(cls, written: str) -> str:
        parse_policy(written)
        return written

    @field_validator("openapi_url", "business_url", "oauth_url")
    @classmethod
    def _require_tls(cls, url: str) -> str:
        """Plain HTTP is allowed for a sandbox on a private network, never for Zalo itself."""
        parts = urlsplit(url)
        if parts.scheme != "https" and f".{parts.hostname}".endswith(ZALO_DOMAINS):
            raise PydanticCustomError(
                "setting_clear_tokens", "http would send the tokens in the clear"
            )
        return url

    @property
    def is_configured(self) -> bool:
        """Whether an app and its secret are configured; otherwise the sandbox is used."""
        return bool(self.app_id and self.app_secret.get_secret_value())
