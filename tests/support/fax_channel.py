"""A made-up channel as `channels/fax/` would have it, and its entry in the registry."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from pydantic_settings import BaseSettings, SettingsConfigDict

from channels.base import Canary, Content, Deadline, Outcome, Recipient, Verdict
from consumers.app.channel_registry import ChannelEntry, ChannelParts
from consumers.app.settings import read_settings
from consumers.dispatch.audience import SubscriberAudience
from consumers.recipients import ChannelRecipients
from contracts.delivery import ChannelName
from contracts.publication import Publication


class FaxSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="LOA_FAX_", frozen=True)

    paper: Path


class FaxChannel:
    """Prints a line for each recipient."""

    name = ChannelName("fax")
    connections = 1
    window = 25
    request_timeout_s = 5.0
    settle_s = 1.0

    def __init__(self, settings: FaxSettings) -> None:
        self.paper = settings.paper

    def render(self, content: Content) -> str:
        return content.title if isinstance(content, Publication) else ""

    @asynccontextmanager
    async def session(self) -> AsyncIterator["FaxChannel"]:
        yield self

    async def send(
        self, rendered: str, rows: Sequence[Recipient], expired: Deadline
    ) -> list[Outcome]:
        with self.paper.open("a") as paper:
            paper.writelines(f"{row.address}: {rendered}\n" for row in rows)
        return [Outcome(Verdict.DELIVERED)] * len(rows)

    async def resolve(self, rendered: str, rows: Sequence[Recipient]) -> list[Outcome]:
        return [Outcome(Verdict.UNKNOWN)] * len(rows)

    async def probe(self, canary: Canary) -> Outcome:
        return Outcome(Verdict.DELIVERED)

    def abort(self) -> None:
        """It answers at once."""

    async def close(self) -> None:
        """Nothing to close."""


def _fax_parts() -> ChannelParts:
    return ChannelParts(
        lambda _: FaxChannel(read_settings(FaxSettings)),
        lambda node: SubscriberAudience(node.directory),
        lambda _: ("the fax in the corridor", False),
        recipients=lambda node: ChannelRecipients(node.directory),
    )


ENTRY = ChannelEntry(FaxSettings, _fax_parts)
