"""Which LOA_* variables mean something, and which of those that are set mean nothing.

A name that nobody knows is warned of, and nothing is refused: while machines of one Loa are brought
to a new version one after the other, the same file of variables serves the old and the new one.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from functools import cache

import structlog
from pydantic import AliasChoices, SecretStr
from pydantic_settings import BaseSettings

from channels.email.settings import EmailSettings
from channels.portal.settings import PortalSettings
from channels.zalo.settings import ZaloSettings
from consumers.app.settings import (
    BouncesSettings,
    ImportSettings,
    LettersSettings,
    LoaSettings,
    environment,
)
from consumers.canary.settings import CanarySettings
from consumers.digests.calendar import Calendar
from consumers.faults import fault
from contracts.errors import FieldError

log = structlog.get_logger()
PREFIX, OF_TESTS = "LOA_", "LOA_TEST_"
ALIKE = 0.7
"""How much of two names has to agree for one to be taken for the other, mistyped."""
SETTINGS: tuple[type[BaseSettings], ...] = (
    LoaSettings,
    EmailSettings,
    ZaloSettings,
    BouncesSettings,
    LettersSettings,
    ImportSettings,
    PortalSettings,
    CanarySettings,
    Calendar,
)


@cache
def known() -> frozenset[str]:
    """Every variable that is read, and the files of those that are secret."""
    return frozenset(name for settings in SETTINGS for name in names(settings))


def names(settings: type[BaseSettings]) -> Iterator[str]:
    prefix = settings.model_config.get("env_prefix", "")
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        own = alias.choices[0] if isinstance(alias, AliasChoices) else alias or f"{prefix}{name}"
        yield str(own).upper()
        if field.annotation is SecretStr:
            yield f"{own}_FILE".upper()


def strange(variables: Iterable[str]) -> list[tuple[str, str]]:
    """Those of *variables* that look like ours and are not, each with the nearest that is."""
    ours = sorted(one for one in set(variables) if one.upper().startswith(PREFIX))
    wrong = [one for one in ours if one.upper() not in known() and not one.startswith(OF_TESTS)]
    return [(one, nearest(one.upper())) for one in wrong]


def nearest(name: str) -> str:
    return next(iter(get_close_matches(name, sorted(known()), n=1, cutoff=ALIKE)), "")


def unknown() -> list[FieldError]:
    """What is set here and means nothing; values are not repeated."""
    found = strange(environment())
    return [
        fault(name, "variable_mistyped" if near else "variable_unknown", near=near)
        for name, near in found
    ]


def warn() -> None:
    """Say so in the log, where whoever runs many machines looks."""
    for name, near in strange(environment()):
        log.warning("variable_unknown", variable=name, nearest=near)
