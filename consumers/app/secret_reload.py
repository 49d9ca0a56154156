"""Secret files, read again on SIGHUP: what uses a secret takes the new one over while it works."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import structlog
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from consumers.app.settings import SecretFile, secret_files

log = structlog.get_logger()


@dataclass
class SecretReload:
    """The settings in use, by class, and what takes changed ones over."""

    current: dict[type[BaseSettings], Any]
    users: list[tuple[type[BaseSettings], Callable[[Any], None]]] = field(default_factory=list)

    def reload(self) -> None:
        """Read every secret file again. One that is empty or can't be read leaves the old secret.

        Deliveries go on: connections that are at work keep what they have signed in with.
        """
        changed, kept = list[str](), list[str]()
        for kind, settings in self.current.items():
            secrets = dict[str, SecretStr]()
            for file in secret_files(kind):
                secret = _read(file)
                if secret is None:
                    kept.append(file.variable)
                elif secret != getattr(settings, file.field):
                    secrets[file.field] = secret
                    changed.append(file.variable)
            if secrets:
                self._hand_over(kind, settings.model_copy(update=secrets))
        log.info("secrets_reloaded", changed=changed, kept=kept)

    def _hand_over(self, kind: type[BaseSettings], settings: BaseSettings) -> None:
        self.current[kind] = settings
        for wanted, use in self.users:
            if wanted is kind:
                use(settings)


def _read(file: SecretFile) -> SecretStr | None:
    """The secret; None, with a line in the log, for a file that can't be used."""
    try:
        secret = file.read()
    except (OSError, UnicodeDecodeError) as error:
        log.error("secret_unusable", variable=file.variable, error=type(error).__name__)
        return None
    if not secret.get_secret_value():  # it may just be written anew
        log.error("secret_unusable", variable=file.variable, error="empty")
        return None
    return secret
