"""Secret files, read again on SIGHUP: what uses a secret takes the new one over while it works."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import structlog
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from channels.daemon_threads import begin
from consumers.app.settings import SecretFile, secret_files

log = structlog.get_logger()
_READ_TIMEOUT_S = 10.0


class SecretUser(NamedTuple):
    """A part of this process that takes new settings over while it works; it uses *fields*."""

    kind: type[BaseSettings]
    fields: frozenset[str]
    use: Callable[[Any], None]


@dataclass
class SecretReload:
    """The settings in use, by class; *read_once*: those that this process reads at its start alone.

    Secrets of a class in *current* that has no user here, because another process has it, are no
    matter of this process.
    """

    current: dict[type[BaseSettings], Any]
    read_once: dict[type[BaseSettings], Any] = field(default_factory=dict)
    users: list[SecretUser] = field(default_factory=list)
    on_reload: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """Steps that read files other than those that variables name."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def add_user(self, kind: type[BaseSettings], use: Callable[[Any], None], *fields: str) -> None:
        self.users.append(SecretUser(kind, frozenset(fields), use))

    async def run(self) -> None:
        """Reload each time that it is asked for."""
        while True:
            await self.asked.wait()
            self.asked.clear()
            await self.reload()

    async def reload(self) -> None:
        """Read every secret file again. One that is empty or can't be read leaves the old secret.

        Deliveries go on: connections that are at work keep what they have signed in with.
        """
        files = await begin(self._files)  # `.env` may name them
        secrets = await asyncio.gather(*(self._read(file) for _, file in files))
        told = dict[str, list[str]](changed=[], kept=[], needs_restart=[])
        for (kind, file), secret in zip(files, secrets, strict=True):
            if what := self._take_over(kind, file, secret):
                told[what].append(file.variable)
        for step in self.on_reload:
            await step()
        if told["needs_restart"]:
            log.warning("secrets_reloaded", **told)
        else:
            log.info("secrets_reloaded", **told)

    def _files(self) -> list[tuple[type[BaseSettings], SecretFile]]:
        kinds = (*self.current, *self.read_once)
        return [(kind, file) for kind in kinds for file in secret_files(kind)]

    def _take_over(
        self, kind: type[BaseSettings], file: SecretFile, secret: SecretStr | None
    ) -> str:
        """Hand a changed secret to its users; what became of it, empty for nothing."""
        if secret is None:
            return "kept"
        if kind in self.read_once:
            return "needs_restart" if secret != getattr(self.read_once[kind], file.field) else ""
        users = [one for one in self.users if one.kind is kind and file.field in one.fields]
        if not users or secret == getattr(self.current[kind], file.field):
            return ""
        self.current[kind] = self.current[kind].model_copy(update={file.field: secret})
        for user in users:
            user.use(self.current[kind])
        return "changed"

    async def _read(self, file: SecretFile) -> SecretStr | None:
        """The secret; None, with a line in the log, for a file that can't be used.

        A thread reads it, which is given up after a while: a mount may hang.
        """
        try:
            async with asyncio.timeout(_READ_TIMEOUT_S):
                secret = await begin(file.read)
        except (OSError, UnicodeDecodeError) as error:  # TimeoutError is one of the first
            log.error("secret_unusable", variable=file.variable, error=type(error).__name__)
            return None
        if not secret.get_secret_value():  # it may just be written anew
            log.error("secret_unusable", variable=file.variable, error="empty")
            return None
        return secret
