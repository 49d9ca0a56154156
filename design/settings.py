"""LOA_SITE_*: who answers for the pages, as their head and foot say."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, FilePath, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from design.assets import MEDIA_TYPES

_LINE = r"^[^\x00-\x1f\x7f]*$"


class SiteIdentity(BaseModel):
    """What the ministry says of itself; what is not set is left out."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    emblem_file: FilePath | None = None
    """The emblem (SVG, PNG or WebP); a plain star until it is set."""
    ministry_url: str = Field(
        default="https://moha.gov.vn", pattern=r"^https?://[^\s/?#@]+(/\S*)?$"
    )
    phone: str = Field(default="", max_length=40, pattern=r"^[+0-9 .()-]*$")
    email: str = Field(default="", max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")
    press: str = Field(default="", max_length=250, pattern=_LINE)
    """Where journalists ask: office, telephone or address."""
    responsible: str = Field(default="", max_length=250, pattern=_LINE)
    """The person responsible for the content: office and name."""
    licence: str = Field(default="", max_length=250, pattern=_LINE)
    """Number and date of the licence to run the site."""
    postal_address: str = Field(
        default="", max_length=250, validation_alias="LOA_EMAIL_POSTAL_ADDRESS"
    )
    """The postal address of mails, shown at the foot of pages, too."""


class SiteSettings(BaseSettings, SiteIdentity):
    """The identity as the environment gives it."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_SITE_",
        frozen=True,
        extra="ignore",
        env_ignore_empty=True,
        populate_by_name=True,
    )

    @field_validator("emblem_file")
    @classmethod
    def _is_picture(cls, file: Path | None) -> Path | None:
        if file and file.suffix.lower() not in MEDIA_TYPES:
            raise ValueError(f"must end in one of {', '.join(sorted(MEDIA_TYPES))}")
        return file
