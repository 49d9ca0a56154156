"""LOA_PORTAL_*: what the portal says of the ministry's other channels, and who is told of news."""

from pydantic import Field, FilePath
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.portal.public_channels import DEFAULT, listed
from channels.portal.site import Site
from contracts.vocabulary import Vocabulary


class PortalSettings(BaseSettings):
    """Both may be left empty."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_PORTAL_", frozen=True, extra="ignore", env_ignore_empty=True
    )

    hub: str = Field(default="", pattern=r"^(https?://[^\s/?#@]+(/\S*)?)?$")
    channels_file: FilePath | None = None

    def site(self, public_url: str, vocabulary: Vocabulary) -> Site:
        """The portal at *public_url*. Raises OSError, Unreadable or Invalid."""
        own = self.channels_file.read_text("utf-8") if self.channels_file else ""
        channels = listed(own) if own else DEFAULT
        return Site(public_url, vocabulary, self.hub, channels)
