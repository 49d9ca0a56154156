"""Check LOA_* variables before anything starts: their values, and names that are unknown.

An unknown name is only warned of: while machines are upgraded one after the other, the same file of
variables serves the old and the new version."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache

import structlog
from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from consumers.app.channel_registry import CHANNELS
from consumers.app.environment import environment
from consumers.app.settings import (
    AuditSettings,
    BouncesSettings,
    CallbackSettings,
    ClamdSettings,
    DeskSettings,
    ImportSettings,
    LettersSettings,
    LoaSettings,
    MetricsSettings,
    ReplicaSettings,
    SecuritySettings,
    TracingSettings,
    read_settings,
)
from consumers.channel_health.canary.settings import CanarySettings
from consumers.digests.schedule import DigestSchedule
from consumers.messages import field_error
from consumers.staff.oidc.settings import OidcSettings
from contracts.errors import FieldError, Invalid
from design.settings import SiteSettings

log = structlog.get_logger()
PREFIX, _TEST_PREFIX = "LOA_", "LOA_TEST_"
OF_SENDERS = frozenset({"LOA_URL", "LOA_API_KEY"})
"""The variables of programs that send events, which may run in the same shell."""
_SIMILARITY_CUTOFF = 0.7
"""The similarity from which on a name counts as a mistyped known one."""
SETTINGS_CLASSES: tuple[type[BaseSettings], ...] = (
    LoaSettings,
    DeskSettings,
    ClamdSettings,
    MetricsSettings,
    ReplicaSettings,
    AuditSettings,
    BouncesSettings,
    LettersSettings,
    ImportSettings,
    CallbackSettings,
    SecuritySettings,
    TracingSettings,
    OidcSettings,
    SiteSettings,
    *(entry.settings for entry in CHANNELS.values()),
    CanarySettings,
    DigestSchedule,
)


@cache
def known_variables() -> frozenset[str]:
    """Every variable that is read, and the `_FILE` variables of secret ones."""
    fields = [pair for settings in SETTINGS_CLASSES for pair in variables_of(settings)]
    secrets = [name for name, field in fields if field.annotation is SecretStr]
    return frozenset([name for name, _ in fields] + [f"{name}_FILE" for name in secrets])


def variables_of(settings: type[BaseSettings]) -> Iterator[tuple[str, FieldInfo]]:
    """The variables of a settings class, with its fields."""
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        own = alias.choices[0] if isinstance(alias, AliasChoices) else alias or f"{prefix}{name}"
        yield str(own).upper(), field


def find_unknown(variables: Iterable[str]) -> list[tuple[str, str]]:
    """The unknown LOA_* variables, each with the known one that it resembles, if any."""
    known = sorted(known_variables())
    return [
        (name, next(iter(get_close_matches(name.upper(), known, 1, _SIMILARITY_CUTOFF)), ""))
        for name in sorted(variables)
        if name.upper().startswith(PREFIX) and not name.startswith(_TEST_PREFIX)
        if name.upper() not in {*known, *OF_SENDERS}
    ]


def unknown_variables() -> list[FieldError]:
    """The unknown variables that are set here, without their values."""
    return [
        field_error(name, "variable_mistyped" if near else "variable_unknown", near=near)
        for name, near in find_unknown(environment())
    ]


def require_valid() -> None:
    """Read every settings class. Raises Invalid with the errors of all."""
    if errors := wrong_settings():
        raise Invalid(*errors)


def wrong_settings() -> list[FieldError]:
    """The errors of every settings class."""
    errors: list[FieldError] = []
    for settings in SETTINGS_CLASSES:
        try:
            read_settings(settings)
        except Invalid as wrong:
            errors += wrong.errors
    return [*dict.fromkeys(errors)]


def warn_of_unknown() -> None:
    for name, near in find_unknown(environment()):
        log.warning("variable_unknown", variable=name, nearest=near)
