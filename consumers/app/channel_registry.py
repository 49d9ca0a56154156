"""Registry of channels: everything that processes and commands know of a channel by its name.

A new channel is one entry. Commands read the entries too, so `load_parts` imports only when a
process opens the channel.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic_settings import BaseSettings

from channels.email.settings import EmailSettings
from channels.portal.settings import PortalSettings
from channels.zalo.settings import ZaloSettings
from consumers.app.settings import LoaSettings
from consumers.deliver.policy import SendPolicy
from consumers.messages import field_error
from consumers.recipients import ChannelRecipients
from contracts.delivery import ChannelName
from contracts.errors import FieldError

if TYPE_CHECKING:
    from channels.base import Channel
    from consumers.app.node import Node
    from consumers.deliver.worker import DeliveryWorker
    from consumers.dispatch.audience import Audience
    from consumers.dispatch.handler import AffectedDigests
    from consumers.runtime.lanes import LaneSemaphore


@dataclass(frozen=True)
class ChannelParts:
    """The parts of a channel's dispatch and delivery in one process.

    `open_channel` also adds the channel's background tasks to the node. `destination`: where output
    goes, and whether that is a stand-in. `canary_target`: where a canary goes, if there is such a
    place. `waits_for_earlier`: an item's next position waits until earlier ones are settled.
    `watch`: a task that looks at the channel without an item, and may open and close its breaker.
    """

    open_channel: Callable[[Node], Channel[Any]]
    audience: Callable[[Node], Audience]
    destination: Callable[[Node], tuple[str, bool]]
    recipients: Callable[[Node], ChannelRecipients] = lambda _: ChannelRecipients()
    policy: Callable[[Node, LaneSemaphore], SendPolicy] = lambda _node, _gate: SendPolicy()
    canary_target: Callable[[Node], str] = lambda _: ""
    digests: Callable[[Node], AffectedDigests | None] = lambda _: None
    waits_for_earlier: bool = True
    watch: Callable[[Any, DeliveryWorker[Any]], Coroutine[Any, Any, None]] | None = None


@dataclass(frozen=True)
class ChannelEntry:
    """One channel: its settings, its parts, and files that this machine has lost, if it has any."""

    settings: type[BaseSettings]
    load_parts: Callable[[], ChannelParts]
    lost_files: Callable[[LoaSettings], Iterator[FieldError]] = lambda _: iter(())


def _email_parts() -> ChannelParts:
    from consumers.app.wiring import digests, email
    from consumers.dispatch.audience import SubscriberAudience

    return ChannelParts(
        email.open_email_channel,
        lambda node: SubscriberAudience(node.directory),
        email.destination,
        recipients=email.open_recipients,
        policy=email.open_send_policy,
        canary_target=lambda node: node.canary_settings.email,
        digests=digests.affected_digests,
        watch=email.watch_relays,
    )


def _zalo_parts() -> ChannelParts:
    from consumers.app.wiring import zalo
    from consumers.dispatch.audience import ZaloAudience

    return ChannelParts(
        zalo.add_zalo_channel,
        lambda _: ZaloAudience(),
        zalo.destination,
        recipients=zalo.open_recipients,
        policy=zalo.open_send_policy,
    )


def _portal_parts() -> ChannelParts:
    from consumers.app.wiring import portal
    from consumers.dispatch.audience import PortalAudience

    return ChannelParts(
        portal.add_portal_channel,
        lambda _: PortalAudience(),
        portal.destination,
        canary_target=portal.readback_address,
        waits_for_earlier=False,
        watch=portal.watch_folder,
    )


def _lost_portal_files(settings: LoaSettings) -> Iterator[FieldError]:
    from channels.portal.index.index import is_usable

    public = settings.portal_dir / "public"
    if is_usable(settings.portal_dir) and not (public / "index.html").exists():
        yield field_error("portal", "portal_files_gone", folder=public.resolve())


CHANNELS: dict[ChannelName, ChannelEntry] = {
    ChannelName.EMAIL: ChannelEntry(EmailSettings, _email_parts),
    ChannelName.ZALO: ChannelEntry(ZaloSettings, _zalo_parts),
    ChannelName.PORTAL: ChannelEntry(PortalSettings, _portal_parts, _lost_portal_files),
}
