"""The configuration as a whole, for `loa config`: effective values with their origin, and all
problems at once. It is only read: nothing is started, and the bus is not asked."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from channels.email.dkim_signer import KEY_FILE, open_signer
from channels.email.relays import RELAYS_FILE, load_relays
from channels.email.settings import EmailSettings, is_loopback
from channels.zalo.settings import ZaloSettings
from consumers.app.environment import (
    DOTENV,
    dotenv_variables,
    environment,
    real_environment,
)
from consumers.app.settings import (
    DeskSettings,
    LoaSettings,
    load_deadlines,
    load_retention,
    load_vocabulary,
    load_working_days,
    read_settings,
)
from consumers.app.unknown_variables import SETTINGS_CLASSES, unknown_variables, variables_of
from consumers.app.wiring.stand_ins import describe_withheld
from consumers.bulletins.print_texts import PRINT_FILE, load_print_texts
from consumers.desk.release.prices import PRICES_FILE, load_prices
from consumers.errors import KeyFileBroken
from consumers.key_file import KEY_FILE_FIELD, KeyFile
from consumers.messages import field_error, translate_os_error
from consumers.periodic_reports.contents.texts import REPORT_FILE, load_texts
from consumers.staff.oidc.client_auth import Client
from consumers.staff.oidc.settings import OidcSettings
from consumers.staff.policy import load_policy
from contracts.base.working_days import WORKING_DAYS_FILE
from contracts.desk.deadlines import DEADLINES_FILE
from contracts.errors import ContractError, FieldError, Invalid
from producers.access import without_password

Origin = Literal["default", "env", ".env", "file"]
_HIDDEN = "********"
_NATS_URL = "LOA_NATS_URL"
_READ_FILES = (
    *("LOA_EMAIL_CA_BUNDLE", "LOA_OIDC_CA_FILE", "LOA_PORTAL_CHANNELS_FILE"),
    *("LOA_EMAIL_CLIENT_CERTIFICATE", "LOA_EMAIL_CLIENT_KEY"),
)
_CERTIFICATES = _READ_FILES[:2]
_Read = dict[type[BaseSettings], Any]
_PORTS = ("LOA_HTTP_PORT", "LOA_NATS_PORT", "LOA_DESK_HTTP_PORT", "LOA_METRICS_PORT")
_REQUIRED = {
    "LOA_ZALO_APP_ID": "LOA_ZALO_APP_SECRET",
    "LOA_EMAIL_USERNAME": "LOA_EMAIL_PASSWORD",
    "LOA_EMAIL_FALLBACK_USERNAME": "LOA_EMAIL_FALLBACK_PASSWORD",
}
"""Variables that can't be used without a secret."""
_USELESS_WITHOUT = {
    "LOA_NATS_CREDS_FILE": _NATS_URL,
    "LOA_NATS_NKEY_FILE": _NATS_URL,
    "LOA_NATS_CA_FILE": _NATS_URL,
    "LOA_NATS_PASSWORD": _NATS_URL,
    "LOA_EMAIL_FALLBACK_HOST": "LOA_EMAIL_HOST",
    "LOA_EMAIL_CLIENT_CERTIFICATE": "LOA_EMAIL_HOST",
    "LOA_EMAIL_USERNAME": "LOA_EMAIL_HOST",
    "LOA_EMAIL_PASSWORD": "LOA_EMAIL_USERNAME",
    "LOA_EMAIL_FALLBACK_USERNAME": "LOA_EMAIL_FALLBACK_HOST",
    "LOA_EMAIL_FALLBACK_PASSWORD": "LOA_EMAIL_FALLBACK_USERNAME",
    "LOA_ZALO_APP_SECRET": "LOA_ZALO_APP_ID",
}


class EffectiveSetting(BaseModel):
    """One setting as Loa uses it; a secret's `value` only tells that there is one.

    `file`: the secret file that the value was read from.
    """

    variable: str
    value: str
    origin: Origin
    default: str
    secret: bool
    file: str = ""

    @property
    def is_changed(self) -> bool:
        return self.origin != "default"


class ConfigProblems(NamedTuple):
    """`errors` stop a start or a service; `warnings` have no effect, or one to be looked at."""

    errors: list[FieldError]
    warnings: list[FieldError]


def effective_settings() -> list[EffectiveSetting]:
    """Every setting once, by class. Raises Invalid like `read_settings`."""
    known = {
        name: _effective(name, field, getattr(values, key))
        for settings in SETTINGS_CLASSES
        for values in (read_settings(settings),)
        for (name, field), key in zip(variables_of(settings), settings.model_fields, strict=True)
    }
    return [*known.values()]


def _effective(variable: str, field: FieldInfo, value: object) -> EffectiveSetting:
    is_secret = field.annotation is SecretStr
    file = environment().get(f"{variable}_FILE") if is_secret else ""
    return EffectiveSetting(
        variable=variable,
        value=_shown(variable, value),
        origin="file" if file else _origin(variable),
        default=_shown(variable, field.get_default(call_default_factory=False)),
        secret=is_secret,
        file=file or "",
    )


def _origin(variable: str) -> Origin:
    """Where the value comes from; an empty variable is none, and names may be in small letters."""
    given: dict[Origin, Mapping[str, str | None]] = {
        "env": real_environment(),
        ".env": dotenv_variables(),
    }
    for origin, variables in given.items():
        if any(name.upper() == variable and value for name, value in variables.items()):
            return origin
    return "default"


def _shown(variable: str, value: object) -> str:
    """A value without its secret: also an address may have a password in it."""
    if isinstance(value, SecretStr):
        return _HIDDEN if value.get_secret_value() else ""
    text = "" if value is None else str(value)
    if variable == _NATS_URL:
        return without_password(text)
    parts = text.split(",")
    return ",".join(without_password(part) if "://" in part else part for part in parts)


def find_problems() -> ConfigProblems:
    """All problems of settings, secrets and files; of a `.env` that can't be read, it alone."""
    if broken := _errors_of(environment):
        return ConfigProblems(broken, [])
    errors, warnings = list[FieldError](), list[FieldError]()
    read: _Read = {}
    for settings in SETTINGS_CLASSES:
        try:
            read[settings] = read_settings(settings)
        except Invalid as wrong:
            errors += wrong.errors
    loa, values = read.get(LoaSettings), _values_of(read)
    errors += [*(_file_errors(loa) if loa else ()), *_contradictions(read, values)]
    warnings += _without_effect(values)
    if loa and EmailSettings in read and ZaloSettings in read:
        warnings += describe_withheld(loa, read[EmailSettings], read[ZaloSettings])
    if loa and loa.units_share_password:
        warnings.append(field_error(_NATS_URL, "units_share_password"))
    warnings += [*_open_files(loa), *_given_twice(), *unknown_variables()]
    return ConfigProblems([*dict.fromkeys(errors)], [*dict.fromkeys(warnings)])


def _values_of(read: _Read) -> dict[str, Any]:
    """The values of the classes that could be read, by variable."""
    values = {
        name: getattr(settings, key)
        for kind, settings in read.items()
        for (name, _), key in zip(variables_of(kind), kind.model_fields, strict=True)
    }
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in values.items()
    }


def _errors_of(work: Callable[[], object], field: str = "") -> list[FieldError]:
    """The errors with which *work* ends; those of the system are about *field*."""
    try:
        work()
    except ContractError as wrong:
        return list(wrong.errors)
    except (OSError, UnicodeDecodeError, ssl.SSLError) as error:
        return [field_error(field, "file_broken", detail=translate_os_error(error))]
    return []


def _file_errors(settings: LoaSettings) -> Iterator[FieldError]:
    """Errors of the files that the settings name, and of those in the data folder."""
    yield from _errors_of(settings.access, _NATS_URL)
    for file, load in (
        ("vocabulary.toml", partial(load_vocabulary, settings)),
        ("retention.toml", partial(load_retention, settings)),
        ("roles.toml", partial(load_policy, settings.data_dir)),
        (WORKING_DAYS_FILE, partial(load_working_days, settings)),
        (DEADLINES_FILE, partial(load_deadlines, settings)),
        (PRICES_FILE, partial(load_prices, settings.prices_file)),
        (REPORT_FILE, partial(load_texts, settings.report_texts_file)),
        (PRINT_FILE, partial(load_print_texts, settings.bulletin_texts_file)),
    ):
        for error in _errors_of(load, file):
            place = _place(file, error.field)
            yield error.model_copy(update={"field": place})
    yield from _key_errors(settings)
    variables = environment()
    for variable in _READ_FILES:
        if path := variables.get(variable):
            examine = _load_certificates if variable in _CERTIFICATES else Path.read_bytes
            yield from _errors_of(partial(examine, Path(path)), variable)


def _place(file: str, field: str) -> str:
    """Where an error is: the file, and the entry in it."""
    if field.startswith(f"{file}."):
        return f"{file} {field.removeprefix(file + '.')}"
    return file if field.startswith(file.partition(".")[0]) else f"{file} {field}"


def _load_certificates(path: Path) -> None:
    """Raises OSError for a file without certificates."""
    ssl.create_default_context(cafile=str(path))


def _key_errors(settings: LoaSettings) -> list[FieldError]:
    """A key file that is none, or that is missing beside data; a first start makes one."""
    path = settings.key_file
    if not path.exists() and not (settings.nats_dir / "jetstream").is_dir():
        return []
    try:
        return _errors_of(lambda: KeyFile.open(path, create=False), KEY_FILE_FIELD)
    except KeyFileBroken:
        return [field_error(KEY_FILE_FIELD, "key_broken", value=path)]


def _contradictions(read: _Read, values: Mapping[str, Any]) -> Iterator[FieldError]:
    """Settings that can't hold together; what could not be read is judged by none."""
    loa, desk, oidc = (read.get(one) for one in (LoaSettings, DeskSettings, OidcSettings))
    if loa and desk:
        yield from _errors_of(lambda: desk.check(loa.public_url))
    if email := read.get(EmailSettings):
        yield from _errors_of(lambda: load_relays(email), RELAYS_FILE)
        yield from _errors_of(lambda: open_signer(email), KEY_FILE)
    if oidc and oidc.issuer:
        yield from _errors_of(lambda: Client.open(oidc), "LOA_OIDC_CLIENT_KEY_FILE")
    for variable, needed in _REQUIRED.items():
        if values.get(variable) and not values.get(needed, True):
            yield from _missing_secret(needed, variable, loa)
    yield from _equal_ports(values)


def _missing_secret(
    secret: str, variable: str, settings: LoaSettings | None
) -> Iterator[FieldError]:
    """The error of an empty *secret* that *variable* needs.

    Where each service has a key of its own for the bus, it has its secrets alone, too: one that is
    not named here is another's.
    """
    if file := environment().get(f"{secret}_FILE"):
        yield field_error(f"{secret}_FILE", "config_file_empty", value=file, variable=variable)
    elif not (settings and settings.has_limited_rights):
        yield field_error(secret, "config_needed", variable=variable)


def _equal_ports(values: Mapping[str, Any]) -> Iterator[FieldError]:
    """Two services on one port; 0 and an empty one are chosen apart."""
    seen = dict[int, str]()
    for variable in _PORTS:
        port = values.get(variable)
        if variable == "LOA_NATS_PORT" and values.get(_NATS_URL):  # not used
            continue
        if port and port in seen:
            yield field_error(variable, "config_same_port", other=seen[port], port=port)
        elif port:
            seen[port] = variable


def _without_effect(values: Mapping[str, Any]) -> Iterator[FieldError]:
    """Settings that another one makes useless, or that are useless without it."""
    for variable, needed in _USELESS_WITHOUT.items():
        if values.get(variable) and not values.get(needed, True):
            yield field_error(variable, "config_unused_without", other=needed)
    for variable in ("LOA_EMAIL_HOST", "LOA_EMAIL_FALLBACK_HOST"):
        if values.get(variable) and values.get(RELAYS_FILE):
            yield field_error(variable, "config_unused_with", other=RELAYS_FILE)
    if values.get(_NATS_URL) and values.get("LOA_NATS_PORT"):
        yield field_error("LOA_NATS_PORT", "config_unused_with", other=_NATS_URL)
    public = values.get("LOA_PUBLIC_URL", "")
    if public.startswith("http://") and not is_loopback(public[7:].split("/")[0].split(":")[0]):
        yield field_error("LOA_PUBLIC_URL", "config_plain_http")


def _secret_files() -> Iterator[tuple[str, Path]]:
    """The files that hold secrets, with the variable that names each."""
    variables = environment()
    for settings in SETTINGS_CLASSES:
        for name, field in variables_of(settings):
            if field.annotation is SecretStr and (path := variables.get(f"{name}_FILE")):
                yield f"{name}_FILE", Path(path)
    if any(_is_secret(name) for name, value in dotenv_variables().items() if value):
        yield ".env", DOTENV


def _is_secret(variable: str) -> bool:
    names = {
        name for one in SETTINGS_CLASSES for name, field in variables_of(one)
        if field.annotation is SecretStr
    }  # fmt: skip
    return variable.upper() in names


def _open_files(settings: LoaSettings | None) -> Iterator[FieldError]:
    """Secret files that other users can read; a container's secrets are shown to it alone."""
    files = [*_secret_files()]
    if settings:
        files.append((KEY_FILE_FIELD, settings.key_file))
    for field, path in files:
        is_ours = path.is_file() and not path.is_relative_to("/run/secrets")
        if is_ours and path.stat().st_mode & 0o077:
            yield field_error(field, "config_file_open", value=path)


def _given_twice() -> Iterator[FieldError]:
    """Secrets given as a value and as a file: the file counts."""
    variables = environment()
    for settings in SETTINGS_CLASSES:
        for name, field in variables_of(settings):
            is_twice = variables.get(name) and variables.get(f"{name}_FILE")
            if field.annotation is SecretStr and is_twice:
                yield field_error(name, "config_given_twice", other=f"{name}_FILE")
