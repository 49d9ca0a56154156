"""LOA_CANARY_*: period, grace time, channels and mailbox of canaries."""

from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.base.addresses import is_mailable
from contracts.delivery import ChannelName


class CanarySettings(BaseSettings):
    """`every_s` = 0: no canaries. `email` is an operator's mailbox, never a subscriber's."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_CANARY_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    every_s: Annotated[float, Field(ge=0)] = 900.0
    grace_s: Annotated[float, Field(ge=0)] = 300.0
    channels: str = "portal,email,zalo"
    email: str = ""
    url: str = ""

    @model_validator(mode="after")
    def _names_what_there_is(self) -> Self:
        if self.email and not is_mailable(self.email):
            text = "LOA_CANARY_EMAIL is not a mail address"
            raise PydanticCustomError("setting_mail_address", text)
        return self

    @field_validator("channels")
    @classmethod
    def _are_channels(cls, names: str) -> str:
        known = [str(name) for name in ChannelName]
        if unknown := [name for name in _split(names) if name not in known]:
            facts = {"known": ", ".join(known), "value": ", ".join(unknown)}
            raise PydanticCustomError("setting_stand_ins", "only {known}, not {value}", facts)
        return names

    @property
    def channel_names(self) -> tuple[ChannelName, ...]:
        """The channels with canaries."""
        return tuple(map(ChannelName, _split(self.channels)))


def _split(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]
