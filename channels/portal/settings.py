"""LOA_PORTAL_*: the ministry's channels, the WebSub hub, readback, hosts of covers."""

from pydantic import Field, FilePath, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.fetch.url_policy import parse_policy
from channels.portal.model.public_channels import DEFAULT_CHANNELS, list_updated, load_channels
from channels.portal.model.site import Site
from contracts.vocabulary import Vocabulary
from design.settings import SiteIdentity


class PortalSettings(BaseSettings):
    """Optional settings. With *read_back* an item is delivered when readers can read it."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_PORTAL_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    hub: str = Field(default="", pattern=r"^(https?://[^\s/?#@]+(/\S*)?)?$")
    channels_file: FilePath | None = None
    read_back: bool = True
    cover_allow: str = ""

    @field_validator("cover_allow")
    @classmethod
    def _valid_cover_allow(cls, written: str) -> str:
        parse_policy(written)
        return written

    def build_site(self, public_url: str, vocabulary: Vocabulary, identity: SiteIdentity) -> Site:
        """Build the site at *public_url*. Raises OSError, Unreadable or Invalid."""
        own = self.channels_file.read_text("utf-8") if self.channels_file else ""
        channels = load_channels(own) if own else DEFAULT_CHANNELS
        return Site(public_url, vocabulary, self.hub, channels, identity, list_updated(own))
