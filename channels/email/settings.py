"""LOA_EMAIL_*: the relay, how we sign in to it, and who the mail is from."""

from email.utils import parseaddr
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.email.guard import header_text, mail_address

STAND_IN_SENDER = "thong-bao@loa.example"


class Tls(StrEnum):
    """How the connection is protected; whatever it is, the relay's certificate is verified."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class EmailSettings(BaseSettings):
    """Without a host no relay is configured, and `stand_in` says how to reach the local mailbox."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_EMAIL_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password: SecretStr = SecretStr("")
    from_: str = Field(
        default=STAND_IN_SENDER, validation_alias=AliasChoices("LOA_EMAIL_FROM", "from_")
    )
    reply_to: str = ""
    connections: Annotated[int, Field(ge=1, le=64)] = 8
    ca_bundle: Path | None = None

    @model_validator(mode="after")
    def _a_relay_is_described_whole(self) -> Self:
        for name, value in (("FROM", self.from_), ("REPLY_TO", self.reply_to)):
            if value and not mail_address(parseaddr(header_text(name, value))[1]):
                raise ValueError(f"LOA_EMAIL_{name} is not a mail address")
        if self.host and "from_" not in self.model_fields_set:
            raise ValueError("LOA_EMAIL_FROM is missing")
        if self.username and self.tls is Tls.NONE and not is_loopback(self.host):
            raise ValueError("LOA_EMAIL_TLS=none would send the password in the clear")
        return self

    @property
    def sender(self) -> str:
        """The bare address of From: also the return path."""
        return parseaddr(self.from_)[1]

    @property
    def sender_name(self) -> str:
        """The display name of From; empty when only an address is configured."""
        return parseaddr(self.from_)[0]

    @property
    def reply_mailbox(self) -> tuple[str, str]:
        """Display name and address of Reply-To; both may be empty."""
        return parseaddr(self.reply_to)

    @property
    def domain(self) -> str:
        """Our mail domain: the right side of Message-ID and List-Id."""
        return self.sender.rpartition("@")[2].lower()

    def stand_in(self, port: int, host: str = "127.0.0.1") -> "EmailSettings":
        """The same settings, for the local catch-all mailbox instead of a relay."""
        local = {"host": host, "port": port, "tls": Tls.NONE, "username": "", "ca_bundle": None}
        return self.model_copy(update=local)


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, so that nobody can listen in."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
