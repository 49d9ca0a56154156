"""LOA_EMAIL_*: the relay, its credentials, and the sender of our mail."""

from email.utils import parseaddr
from enum import StrEnum
from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from contracts.base.addresses import is_mailable
from contracts.base.fields import AS_LINE

_Line = Annotated[str, Field(max_length=998), AS_LINE]
"""A text that mails show, within the length of a header line."""
_STAND_IN_SENDER = "thong-bao@loa.example"


def _bad_setting(code: str, message: str) -> PydanticCustomError:
    """Error in a rule of several variables; *message* begins with the variable to blame."""
    return PydanticCustomError(code, "{message}", {"message": f"LOA_EMAIL_{message}"})


class Tls(StrEnum):
    """Protection of the connection; the relay's certificate is always verified."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class EmailSettings(BaseSettings):
    """Settings of the relay; without a host `for_stand_in` gives those of the local mailbox."""

    model_config = SettingsConfigDict(
        env_prefix="LOA_EMAIL_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    tls: Tls = Tls.STARTTLS
    username: str = ""
    password: SecretStr = SecretStr("")
    from_: _Line = Field(
        default=_STAND_IN_SENDER, validation_alias=AliasChoices("LOA_EMAIL_FROM", "from_")
    )
    reply_to: _Line = ""
    postal_address: _Line = ""
    site_phone: _Line = Field(
        default="", validation_alias=AliasChoices("LOA_SITE_PHONE", "site_phone")
    )
    site_email: _Line = Field(
        default="", validation_alias=AliasChoices("LOA_SITE_EMAIL", "site_email")
    )
    """Who answers, as the foot of pages says it, too."""
    unsubscribe_to: str = ""
    dkim_selectors: str = ""
    connections: Annotated[int, Field(ge=1, le=64)] = 8
    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    relays_file: Path | None = None
    dkim_key_file: Path | None = None
    dkim_selector: str = ""
    bounce_domain: str = ""
    fallback_host: str = ""
    fallback_port: Annotated[int, Field(ge=1, le=65535)] = 587
    fallback_tls: Tls = Tls.STARTTLS
    fallback_username: str = ""
    fallback_password: SecretStr = SecretStr("")
    relay_log: Path | None = None

    @field_validator("from_", "reply_to")
    @classmethod
    def _is_mailbox(cls, given: str) -> str:
        if given and not is_mailable(parseaddr(given)[1]):
            raise PydanticCustomError("setting_mail_address", "not a mail address")
        return given

    @field_validator("bounce_domain")
    @classmethod
    def _is_mail_domain(cls, given: str) -> str:
        if given and not is_mailable(f"b@{given}"):
            raise PydanticCustomError("setting_mail_domain", "not a mail domain")
        return given

    @field_validator("unsubscribe_to")
    @classmethod
    def _is_bare_address(cls, given: str) -> str:
        if given and not is_mailable(given):
            raise PydanticCustomError("setting_bare_address", "not a bare mail address")
        return given

    @field_validator("dkim_selectors", "dkim_selector")
    @classmethod
    def _are_dns_names(cls, given: str) -> str:
        if not all(is_mailable(f"a@{name}.example") for name in _split_names(given)):
            raise PydanticCustomError("setting_dns_names", "not a list of DNS names")
        return given

    @model_validator(mode="after")
    def _check_relay(self) -> Self:
        if self.has_relay and "from_" not in self.model_fields_set:
            raise _bad_setting("setting_missing", "FROM is missing")
        if self.client_key and not self.client_certificate:
            raise _bad_setting("setting_missing", "CLIENT_CERTIFICATE is missing")
        if self.dkim_key_file and len(_split_names(self.dkim_selector)) != 1:
            raise _bad_setting("setting_dkim_selector", "DKIM_SELECTOR is missing")
        for prefix, username, tls, host in (
            ("", self.username, self.tls, self.host),
            ("FALLBACK_", self.fallback_username, self.fallback_tls, self.fallback_host),
        ):
            if username and tls is Tls.NONE and not is_loopback(host):
                words = f"{prefix}TLS=none would send the password in the clear"
                raise _bad_setting("setting_clear_password", words)
        return self

    @property
    def has_relay(self) -> bool:
        return bool(self.host or self.relays_file)

    @property
    def sender(self) -> str:
        """The bare address of From: also the return path."""
        return _parse_mailbox(self.from_)[1]

    @property
    def sender_name(self) -> str:
        """The display name of From; empty when only an address is configured."""
        return _parse_mailbox(self.from_)[0]

    @property
    def reply_mailbox(self) -> tuple[str, str]:
        """Display name and address of Reply-To; both may be empty."""
        return _parse_mailbox(self.reply_to)

    @property
    def dkim_selector_names(self) -> tuple[str, ...]:
        """Names of DKIM keys, our own one and the relay's: `<selector>._domainkey.<domain>`."""
        names = (*_split_names(self.dkim_selector), *_split_names(self.dkim_selectors))
        return tuple(dict.fromkeys(names))

    @property
    def domain(self) -> str:
        """Our mail domain: the right side of Message-ID and List-Id."""
        return self.sender.rpartition("@")[2].lower()

    def for_stand_in(self, port: int, host: str = "127.0.0.1") -> "EmailSettings":
        """The same settings, for the local catch-all mailbox instead of a relay."""
        local = {"host": host, "port": port, "tls": Tls.NONE, "username": "", "ca_bundle": None}
        files = dict.fromkeys(("relay_log", "relays_file", "client_certificate", "client_key"))
        return self.model_copy(update={**local, "fallback_host": "", **files})


def _split_names(text: str) -> tuple[str, ...]:
    """Names separated by commas."""
    return tuple(filter(None, (name.strip() for name in text.split(","))))


def is_loopback(host: str) -> bool:
    """Whether *host* is this machine, so that no other machine can listen."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@cache
def _parse_mailbox(text: str) -> tuple[str, str]:
    """Display name and address; cached, because every mail needs them."""
    return parseaddr(text)
