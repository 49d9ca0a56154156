"""LOA_*: where this machine keeps things and which bus it uses; a `.env` file is read too."""

import os
import re
import socket
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.email.settings import is_loopback
from channels.fetch.url_policy import parse_policy
from consumers.app.environment import environment
from consumers.app.web.connection_limits import (
    MAX_CONNECTIONS,
    MAX_PER_CLIENT,
    ConnectionLimits,
    bounded_by_files,
    raise_file_limit,
)
from consumers.app.web.proxies import TrustedProxies
from consumers.errors import WrongSettings
from consumers.messages import field_error, load_catalog, translate_os_error
from contracts.base.addresses import is_mailable
from contracts.base.retention import DEFAULT as DEFAULT_RETENTION
from contracts.base.retention import Retention
from contracts.base.working_days import WORKING_DAYS_FILE, WorkingDays, default_working_days
from contracts.desk.deadlines import DEADLINES_FILE, Deadlines, default_deadlines
from contracts.errors import (
    FieldError,
    Invalid,
    error_texts,
    localized,
    nearest,
    template_values,
)
from contracts.vocabulary import DEFAULT, Vocabulary
from producers.access import Access

S = TypeVar("S", bound=BaseSettings)
MAILBOX, ZALO_SANDBOX = "mailbox", "zalo-sandbox"
STAND_IN_NAMES = (MAILBOX, ZALO_SANDBOX)
PUBLIC_URL = re.compile(r"https?://[^\s/?#@]+(/[^\s?#]*)?")
_CONTACT = re.compile(r"(mailto:[^\s@]+@[^\s@]+|https://\S+|tel:\+?[0-9-]+)")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+=[ -~]+")
_VARIABLE = re.compile("LOA_[A-Z_]+")
_MAX_FOLDER_BYTES = 470
_REPLICAS = (1, 3, 5)
_SERVER_TAG = re.compile("[A-Za-z0-9][A-Za-z0-9:._-]{0,63}")
_NATS_SCHEMES = frozenset(("nats", "tls"))


class _Settings(BaseSettings):
    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, extra="ignore")


class LoaSettings(_Settings):
    """The machine: folders, ports, the bus. An empty `nats_url` means the embedded server."""

    model_config = SettingsConfigDict(env_prefix="LOA_")

    data_dir: Path = Path("var")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=8080, ge=0, le=65535)
    public_url: str = ""
    machine: str = Field(default="", pattern="^([a-z0-9][a-z0-9-]{0,62})?$")
    stand_ins: str = ""
    http_connections: int = Field(default=MAX_CONNECTIONS, ge=16, le=1_000_000)
    http_connections_per_client: int = Field(default=MAX_PER_CLIENT, ge=1, le=1_000_000)
    trusted_proxies: str = "127.0.0.1,::1"
    nats_url: str = ""
    nats_port: int = Field(default=0, ge=0, le=65535)
    nats_creds_file: Path | None = None
    nats_nkey_file: Path | None = None
    nats_ca_file: Path | None = None
    nats_user: str = "loa"
    nats_password: SecretStr = SecretStr("")
    nats_replicas: int = 1
    nats_placement_tags: str = ""
    vault_key_file: Path | None = None
    directory_file: Path | None = None
    log_format: Literal["json", "pretty"] = "json"
    language: Literal["en", "vi"] | None = None

    @field_validator("public_url")
    @classmethod
    def _is_public_url(cls, url: str) -> str:
        """Refuse a malformed address: links in sent mails can't be mended."""
        if url and not PUBLIC_URL.fullmatch(url):
            raise PydanticCustomError("setting_public_url", "not a public address")
        return url

    @field_validator("data_dir")
    @classmethod
    def _is_short_path(cls, folder: Path) -> Path:
        """Refuse a folder whose databases would have longer paths than SQLite opens."""
        if len(os.fsencode(folder.absolute())) > _MAX_FOLDER_BYTES:
            text, facts = "at most {limit} bytes", {"limit": _MAX_FOLDER_BYTES}
            raise PydanticCustomError("setting_data_dir", text, facts)
        return folder

    @field_validator("nats_url")
    @classmethod
    def _are_nats_urls(cls, urls: str) -> str:
        """Refuse what no client of NATS can use: it would be tried again and again."""
        if urls and not all(map(_is_nats_url, urls.split(","))):
            raise PydanticCustomError("setting_nats_url", "not addresses of NATS servers")
        return urls

    @field_validator("nats_replicas")
    @classmethod
    def _can_have_majority(cls, replicas: int) -> int:
        """Refuse an even number: it survives no more losses than the one below it."""
        if replicas not in _REPLICAS:
            raise PydanticCustomError("setting_nats_replicas", "only 1, 3 or 5")
        return replicas

    @field_validator("nats_placement_tags")
    @classmethod
    def _are_server_tags(cls, tags: str) -> str:
        """Refuse what no server can have as its tag."""
        if not all(map(_SERVER_TAG.fullmatch, _split_names(tags))):
            raise PydanticCustomError("setting_nats_placement_tags", "not tags of servers")
        return tags

    @property
    def placement_tags(self) -> list[str]:
        """Tags that servers of a cluster must have to keep Loa's streams."""
        return sorted(_split_names(self.nats_placement_tags))

    @field_validator("stand_ins")
    @classmethod
    def _are_stand_ins(cls, names: str) -> str:
        if unknown := _split_names(names).difference(STAND_IN_NAMES):
            text = "only {known}, not {value}"
            known = ", ".join(STAND_IN_NAMES)
            facts = {"known": known, "value": ", ".join(sorted(unknown))}
            raise PydanticCustomError("setting_stand_ins", text, facts)
        return names

    @property
    def wanted_stand_ins(self) -> frozenset[str]:
        """The stand-ins that LOA_STAND_INS asks for by name."""
        return _split_names(self.stand_ins)

    @property
    def exposed_by(self) -> str:
        """The variable that opens this Loa to other machines; empty while none does."""
        if not is_loopback(self.http_host):
            return "LOA_HTTP_HOST"
        public_host = urlsplit(self.public_url).hostname
        return "LOA_PUBLIC_URL" if public_host and not is_loopback(public_host) else ""

    @property
    def units_share_password(self) -> bool:
        """Whether units reach the bus with a password that proves none of them."""
        return bool(self.nats_url) and not (self.nats_creds_file or self.nats_nkey_file)

    def access(self) -> Access:
        """The credentials for `nats_url`; none for the embedded server, whose address has them.

        Raises Invalid, which names the variable, for credentials that can't be used.
        """
        if not self.nats_url:
            return Access()
        access = Access(
            self.nats_creds_file,
            self.nats_nkey_file,
            self.nats_ca_file,
            self.nats_user,
            self.nats_password.get_secret_value(),
        )
        access.check(datetime.now(UTC))
        return access

    @property
    def has_limited_rights(self) -> bool:
        """Whether Loa connects with an nkey, so that commands make streams and services do not."""
        return bool(self.nats_url and self.nats_nkey_file)

    @field_validator("trusted_proxies")
    @classmethod
    def _are_proxies(cls, text: str) -> str:
        """Refuse a part that is no address: it would silently be trusted by no one."""
        try:
            TrustedProxies.parse(text)
        except ValueError as error:
            raise PydanticCustomError("setting_proxies", "not addresses or networks") from error
        return text

    def connection_limits(self) -> ConnectionLimits:
        """The limits of one HTTP server, as far as the process may have files open."""
        most = bounded_by_files(self.http_connections, raise_file_limit())
        proxies = TrustedProxies.parse(self.trusted_proxies)
        return ConnectionLimits(most, self.http_connections_per_client, proxies)

    @property
    def nats_dir(self) -> Path:
        return self.data_dir / "nats"

    @property
    def machine_name(self) -> str:
        """Name that processes of this machine have in common."""
        return self.machine or _machine_name()

    @property
    def run_dir(self) -> Path:
        return self.data_dir / "run"

    @property
    def spool_dir(self) -> Path:
        return self.data_dir / "spool"

    @property
    def portal_dir(self) -> Path:
        return self.data_dir / "portal"

    @property
    def records_dir(self) -> Path:
        """This machine's record of the bus, so that the bus can be compared with it."""
        return self.data_dir / "records"

    @property
    def bus_state_file(self) -> Path:
        return self.records_dir / "bus-state.json"

    @property
    def audit_heads_file(self) -> Path:
        return self.records_dir / "audit-heads.jsonl"

    @property
    def open_items_file(self) -> Path:
        return self.records_dir / "open-items.json"

    @property
    def key_file(self) -> Path:
        return self.vault_key_file or self.data_dir / "vault.key"

    @property
    def notices_key_file(self) -> Path:
        """The part of the key file that a gateway needs; `deploy/prepare` makes it."""
        return self.data_dir / "notices.key"

    @property
    def receipts_key_file(self) -> Path:
        """The part of the key file that Zalo's webhook needs; `deploy/prepare` makes it."""
        return self.data_dir / "receipts.key"

    @property
    def replica_key_file(self) -> Path:
        """The part of the key file that a portal's replica needs; `deploy/prepare` makes it."""
        return self.data_dir / "replica.key"

    @property
    def retention_file(self) -> Path:
        return self.data_dir / "retention.toml"

    @property
    def working_days_file(self) -> Path:
        """An operator's own days off; may be missing."""
        return self.data_dir / WORKING_DAYS_FILE

    @property
    def deadlines_file(self) -> Path:
        """An operator's own deadlines; may be missing."""
        return self.data_dir / DEADLINES_FILE

    @property
    def reports_dir(self) -> Path:
        """The sealed reports."""
        return self.data_dir / "reports"

    @property
    def report_texts_file(self) -> Path:
        """An operator's own texts, masthead and plans of reports; may be missing."""
        return self.data_dir / "report.toml"

    @property
    def bulletin_texts_file(self) -> Path:
        """An operator's own texts of bulletins in print; may be missing."""
        return self.data_dir / "bulletin.toml"

    @property
    def prices_file(self) -> Path:
        """An operator's own prices; may be missing."""
        return self.data_dir / "prices.toml"

    @property
    def directory_path(self) -> Path:
        """The readers and their addresses, copied from the bus."""
        return self.directory_file or self.data_dir / "directory.sqlite"

    @property
    def desk_dir(self) -> Path:
        """Copies that the desk makes of the bus, for lists and search."""
        return self.data_dir / "desk"

    @property
    def seals_file(self) -> Path:
        return self.records_dir / "seals.json"


class DeskSettings(_Settings):
    """LOA_DESK_*: where the desk of staff listens, and the address that browsers use for it."""

    model_config = SettingsConfigDict(env_prefix="LOA_DESK_")

    http_host: str = "127.0.0.1"
    http_port: int | None = Field(default=None, ge=0, le=65535)
    url: str = ""

    @field_validator("url")
    @classmethod
    def _is_desk_url(cls, url: str) -> str:
        """https, or plain http on loopback, which no other machine hears; no path."""
        parts = urlsplit(url)
        is_safe = parts.scheme == "https" or is_loopback(parts.hostname or "")
        if url and not (PUBLIC_URL.fullmatch(url) and is_safe and parts.path in ("", "/")):
            raise PydanticCustomError("setting_desk_url", "not a desk's address")
        return url.rstrip("/")

    def check(self, public_url: str) -> None:
        """Check the address against the port's host and the public address. Raises Invalid.

        Cookies belong to a host: under the public pages' name they would reach those as well.
        """
        if not self.url and not is_loopback(self.http_host):
            raise Invalid(field_error("LOA_DESK_URL", "desk_url_missing", value=self.http_host))
        host = urlsplit(self.url).hostname
        if host and not is_loopback(host) and host == urlsplit(public_url).hostname:
            raise Invalid(field_error("LOA_DESK_URL", "desk_url_public", value=host))


class ClamdSettings(_Settings):
    """LOA_CLAMD_*: the scanner that looks at uploaded files before they are kept."""

    model_config = SettingsConfigDict(env_prefix="LOA_CLAMD_")

    url: str = ""

    @field_validator("url")
    @classmethod
    def _is_clamd_url(cls, url: str) -> str:
        """`unix:/path` or `tcp://host:port`."""
        parts = urlsplit(url)
        is_socket = parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc
        is_port = parts.scheme == "tcp" and parts.hostname and _port_of(url) and not parts.path
        if url and not (is_socket or is_port):
            raise PydanticCustomError("setting_clamd_url", "not clamd's address")
        return url


def _port_of(url: str) -> int:
    """The port that *url* names; 0 for none."""
    try:
        return urlsplit(url).port or 0
    except ValueError:
        return 0


class MetricsSettings(_Settings):
    """LOA_METRICS_*: where the operator's port listens, which serves `/metrics`."""

    model_config = SettingsConfigDict(env_prefix="LOA_METRICS_")

    host: str = "127.0.0.1"
    port: int | None = Field(default=None, ge=0, le=65535)


def _machine_name() -> str:
    """The first part of this machine's name, in the letters of a key."""
    name = socket.gethostname().partition(".")[0].lower()
    return re.sub("[^a-z0-9-]", "-", name).strip("-")[:63] or "machine"


class ReplicaSettings(_Settings):
    """LOA_REPLICA_*: what a replica of the portal is called; else as its machine."""

    model_config = SettingsConfigDict(env_prefix="LOA_REPLICA_")

    name: str = Field(default="", pattern="^([a-z0-9][a-z0-9-]{0,62})?$")

    @property
    def shown_name(self) -> str:
        return self.name or _machine_name()


class AuditSettings(_Settings):
    """LOA_AUDIT_*: the auditor's mailbox, which gets the day's head of the audit log."""

    model_config = SettingsConfigDict(env_prefix="LOA_AUDIT_")

    email: str = ""

    @field_validator("email")
    @classmethod
    def _is_address(cls, text: str) -> str:
        if text and not is_mailable(text):
            raise PydanticCustomError("setting_mail_address", "LOA_AUDIT_EMAIL is no mail address")
        return text


class BouncesSettings(_Settings):
    """LOA_BOUNCES_*: the address of the inbound server."""

    model_config = SettingsConfigDict(env_prefix="LOA_BOUNCES_")

    host: str = "127.0.0.1"
    port: int = Field(default=2525, ge=0, le=65535)


class ImportSettings(_Settings):
    """LOA_IMPORT_*: which sites of units may be fetched, and the pause between requests."""

    model_config = SettingsConfigDict(env_prefix="LOA_IMPORT_")

    allow: str = ""
    pause_s: float = Field(default=2.0, ge=0, le=60)

    @field_validator("allow")
    @classmethod
    def _is_policy(cls, text: str) -> str:
        parse_policy(text)
        return text


class CallbackSettings(_Settings):
    """LOA_CALLBACKS_*: which addresses of units' systems may be called beside public ones."""

    model_config = SettingsConfigDict(env_prefix="LOA_CALLBACKS_")

    allow: str = ""
    ca_file: Path | None = None

    @field_validator("allow")
    @classmethod
    def _is_policy(cls, text: str) -> str:
        parse_policy(text)
        return text


class LettersSettings(_Settings):
    """LOA_LETTERS_*: transactional mails that strangers may cause in an hour; 0: no limit."""

    model_config = SettingsConfigDict(env_prefix="LOA_LETTERS_")

    per_hour: int = Field(default=1000, ge=0)


class TracingSettings(_Settings):
    """OTEL_*: where traces go, by OpenTelemetry's own names; nowhere while no address is set."""

    model_config = SettingsConfigDict(env_prefix="OTEL_")

    exporter_otlp_endpoint: str = ""
    exporter_otlp_traces_endpoint: str = ""
    exporter_otlp_headers: SecretStr = SecretStr("")
    traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    service_name: str = "loa"
    sdk_disabled: bool = False

    @field_validator("exporter_otlp_endpoint", "exporter_otlp_traces_endpoint")
    @classmethod
    def _is_collector_url(cls, url: str) -> str:
        if url and not PUBLIC_URL.fullmatch(url):
            raise PydanticCustomError("setting_collector_url", "not the address of a collector")
        return url

    @field_validator("exporter_otlp_headers")
    @classmethod
    def _are_headers(cls, given: SecretStr) -> SecretStr:
        """Refuse what no request can carry: the client's error would quote it."""
        if not all(_HEADER.fullmatch("=".join(header)) for header in _split_headers(given)):
            raise PydanticCustomError("setting_headers", "not name=value")
        return given

    @property
    def traces_url(self) -> str:
        """The address that takes traces; empty: no traces."""
        base = self.exporter_otlp_endpoint.removesuffix("/")
        url = self.exporter_otlp_traces_endpoint or (f"{base}/v1/traces" if base else "")
        return "" if self.sdk_disabled else url

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return dict(_split_headers(self.exporter_otlp_headers))


def _split_headers(given: SecretStr) -> list[tuple[str, str]]:
    """Names and values of `name=value,name=value`; a value may be percent-encoded."""
    parts = (part.partition("=") for part in given.get_secret_value().split(",") if part.strip())
    return [(name.strip(), unquote(value.strip())) for name, _, value in parts]


def _is_nats_url(text: str) -> bool:
    """Whether *text* is `nats://host:4222`, `tls://...`, or `host:4222` alone."""
    url = text.strip() if "://" in text else f"nats://{text.strip()}"
    try:
        parts = urlsplit(url)
        return parts.scheme in _NATS_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _split_names(text: str) -> frozenset[str]:
    """Names separated by commas."""
    return frozenset(filter(None, (name.strip() for name in text.split(","))))


class SecuritySettings(_Settings):
    """LOA_SECURITY_*: whom to tell of a weakness, in `/.well-known/security.txt`."""

    model_config = SettingsConfigDict(env_prefix="LOA_SECURITY_", validate_default=True)

    contact: str = ""
    expires: date | None = None

    @property
    def contacts(self) -> list[str]:
        return [part.strip() for part in self.contact.split(",") if part.strip()]

    @field_validator("contact")
    @classmethod
    def _are_contacts(cls, text: str) -> str:
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if not all(_CONTACT.fullmatch(part) for part in parts):
            raise PydanticCustomError("setting_security_contact", "not contacts")
        return text

    @field_validator("expires", mode="before")
    @classmethod
    def _is_day(cls, given: object, info: ValidationInfo) -> object:
        """A day, which a contact needs: a list that no one looks after misleads reporters."""
        if given is None and not info.data.get("contact"):
            return None
        try:
            return date.fromisoformat(str(given))
        except ValueError as error:
            raise PydanticCustomError("setting_security_expires", "not a day") from error


def read_settings(settings: type[S], **overrides: Any) -> S:
    """Settings from the environment, `.env` and secret files (`LOA_EMAIL_PASSWORD_FILE=...`).

    Raises WrongSettings, which names each wrong variable of the class.
    """
    prefix = settings.model_config.get("env_prefix", "")
    secrets, errors = _read_secret_files(settings)
    try:
        values = settings(_env_file=".env", **overrides | secrets)
    except ValidationError as wrong:
        found = [*wrong.errors(), *_errors_of_rules(settings, overrides | secrets, wrong)]
        errors += [_setting_error(prefix, error) for error in found]
    if errors:
        raise WrongSettings(*errors)
    return values


def _errors_of_rules(
    settings: type[BaseSettings], given: Mapping[str, Any], wrong: ValidationError
) -> list[ErrorDetails]:
    """The errors of rules of several variables, which wait until each variable is right alone.

    What is wrong alone has its default meanwhile.
    """
    names = {str(error["loc"][0]) for error in wrong.errors() if error["loc"]}
    fields = {name: field for name, field in _named_fields(settings) if name in names}
    if not names or any(field.is_required() for field in fields.values()):
        return []
    defaults = {
        name: field.get_default(call_default_factory=True) for name, field in fields.items()
    }
    try:
        settings(_env_file=".env", **{**given, **defaults})
    except ValidationError as others:
        return [error for error in others.errors() if not error["loc"]]
    return []


def _named_fields(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The fields by each name that an error may have for them."""
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias] if alias else []
        yield from ((str(one), field) for one in (name, *choices))


def _read_secret_files(
    settings: type[BaseSettings],
) -> tuple[dict[str, SecretStr], list[FieldError]]:
    """The secrets whose `_FILE` variables are set, and the errors of files that can't be read."""
    secrets, errors = dict[str, SecretStr](), list[FieldError]()
    for file in secret_files(settings):
        try:
            secrets[file.field] = file.read()
        except (OSError, UnicodeDecodeError) as error:
            errors.append(_secret_file_error(file.variable, str(file.path), error))
    return secrets, errors


class SecretFile(NamedTuple):
    """A secret of a settings class that lies in a file; `variable` names the file."""

    field: str
    variable: str
    path: Path

    def read(self) -> SecretStr:
        """Raises OSError, UnicodeDecodeError."""
        return SecretStr(self.path.read_text("utf-8").strip())


def secret_files(settings: type[BaseSettings]) -> Iterator[SecretFile]:
    """The secrets of a settings class whose `_FILE` variables are set."""
    prefix, variables = settings.model_config.get("env_prefix", ""), environment()
    for name, field in settings.model_fields.items():
        variable = f"{prefix}{name}_file".upper()
        if field.annotation is SecretStr and (path := variables.get(variable)):
            yield SecretFile(name, variable, Path(path))


def _secret_file_error(variable: str, path: str, error: OSError | UnicodeError) -> FieldError:
    detail = translate_os_error(error)._replace(en="not UTF-8 text")
    if isinstance(error, OSError):
        detail = translate_os_error(OSError(error.errno, ""))._replace(en=error.strerror or "")
    return field_error(variable, "secret_file_broken", file=path, detail=detail)


def _setting_error(prefix: str, error: ErrorDetails) -> FieldError:
    """A wrong setting, under the name of its variable. Its value is not repeated."""
    detail = error["msg"].removeprefix("Value error, ")
    name = "".join(str(part) for part in error["loc"][:1])
    variable = name if name.startswith("LOA_") else f"{prefix}{name}".upper()
    if not name and (match := _VARIABLE.match(detail)):
        variable = match[0]
    code, field = error["type"], variable.rstrip("_")
    if texts := load_catalog("settings").get(code) or error_texts().get(code):
        return localized(field, texts, **_with_nearest(error))
    return field_error(field, "setting_wrong", detail=detail)


def _with_nearest(error: ErrorDetails) -> dict[str, Any]:
    """The values of the error's text; for a word that is not allowed also the nearest that is."""
    values = template_values(error)
    known = values.get("expected") or tuple(str(values.get("known", "")).split(", "))
    return values | {"near": nearest(str(values.get("value", error["input"])), known)}


class RunningInstance(BaseModel):
    """`<data>/run/ready.json`: the addresses of a running Loa, if it still answers."""

    url: str
    nats_url: str = Field(repr=False)  # with user and password
    pid: int
    zalo_sandbox: str = ""
    bounces: str = ""
    desk: str = ""
    metrics: str = ""
    version: str = ""
    started: float = 0.0  # epoch seconds; the file's time is the last sign of life


def load_retention(settings: LoaSettings) -> Retention:
    """The ministry's retention file, else the one that ships with Loa; an empty file is none."""
    path = settings.retention_file
    text = path.read_text("utf-8") if path.exists() else ""
    return Retention.parse(text) if text.strip() else DEFAULT_RETENTION


def load_working_days(settings: LoaSettings) -> WorkingDays:
    """The days in `<data>/working_days.toml`, else those that ship with Loa.

    Raises Unreadable or Invalid, naming file and entry.
    """
    text = _own_text(settings.working_days_file)
    return WorkingDays.parse(text) if text else default_working_days()


def load_deadlines(settings: LoaSettings) -> Deadlines:
    """The deadlines in `<data>/deadlines.toml`, else those that ship with Loa. Raises alike."""
    days, text = load_working_days(settings), _own_text(settings.deadlines_file)
    return Deadlines.parse(text, days) if text else replace(default_deadlines(), days=days)


def _own_text(path: Path) -> str:
    """The content of an operator's file; an empty one is none."""
    text = path.read_text("utf-8") if path.exists() else ""
    return text if text.strip() else ""


def load_vocabulary(settings: LoaSettings) -> Vocabulary:
    """The operator's vocabulary in `<data>/vocabulary.toml`, else the one that ships with Loa.

    An empty file is none: container stacks mount a file that exists.
    """
    path = settings.data_dir / "vocabulary.toml"
    text = path.read_text("utf-8") if path.exists() else ""
    return Vocabulary.parse(text) if text.strip() else DEFAULT
