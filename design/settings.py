"""LOA_SITE_*: who answers for the pages, as their head and foot say."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.base.fields import AS_LINE
from design.emblem import check_emblem

_Line = Annotated[str, AS_LINE]
_EmblemFile = Annotated[FilePath, AfterValidator(check_emblem)]


class SiteIdentity(BaseModel):
    """Details of the ministry; an unset one is left out."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    emblem_file: _EmblemFile | None = None
    """The emblem (SVG, PNG or WebP); the flag until it is set."""
    ministry_url: _Line = Field(
        default="https://moha.gov.vn", pattern=r"^https?://[^\s/?#@]+(/\S*)?$"
    )
    phone: str = Field(default="", max_length=40, pattern=r"^[+0-9 .()-]*$")
    email: _Line = Field(default="", max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")
    press: _Line = Field(default="", max_length=250)
    """Where journalists ask: office, telephone or address."""
    responsible: _Line = Field(default="", max_length=250)
    """The person responsible for the content: office and name."""
    licence: _Line = Field(default="", max_length=250)
    """Number and date of the licence to run the site."""
    postal_address: _Line = Field(
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
