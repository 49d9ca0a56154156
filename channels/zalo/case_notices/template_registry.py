"""Template registry: the template of each kind of case notice, and Zalo's judgement of it.

All processes share one value in a store with compare-and-set, and cache it for a minute.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from channels.case_notice_texts import guaranteed_parameters
from channels.errors import Unreachable
from channels.zalo import error_codes
from channels.zalo.case_notices.template_models import DELETE, RegisteredTemplates, Template
from channels.zalo.client.client import ZaloClient
from channels.zalo.client.response import first_text, whole_number
from channels.zalo.client.store import KeyValueStore, SharedValue
from channels.zalo.errors import Refused, UnfitTemplate

log = structlog.get_logger()
_INFO_PATH = "/template/info/v2"
_QUOTA_PATH, _QUALITY_PATH = "/message/quota", "/quality"
CACHE_S = 60.0


class TemplateRegistry:
    """The registry of one app. Its calls to Zalo are reads; *key* is its key in *store*."""

    def __init__(self, api: ZaloClient, store: KeyValueStore, key: str) -> None:
        self.api = api
        codec = RegisteredTemplates.decode, RegisteredTemplates.encode
        self.shared = SharedValue(store, key, *codec)
        self.clock = api.clock.clock
        self.cached, self.cached_at = RegisteredTemplates(), float("-inf")
        self.rechecked_at: dict[str, float] = {}

    async def current(self) -> RegisteredTemplates:
        """The registered templates, at most a minute old. Raises Unreachable."""
        if not 0 <= self.clock() - self.cached_at < CACHE_S:
            self.cache(await self.shared.read())
        return self.cached

    async def register(self, routes: Mapping[str, str]) -> RegisteredTemplates:
        """Set the templates of kinds: *routes* is kind to template id.

        Raises UnfitTemplate, Refused for a template that Zalo does not know, ChannelError; then the
        registry is unchanged.
        """
        templates = {id: await self.read_info(id) for id in sorted(set(routes.values()))}
        for kind, id in routes.items():
            _check_params(kind, templates[id])
        return await self.update(lambda known: known.with_templates(templates.values(), routes))

    async def remove(self, kind: str) -> bool:
        """Remove a kind's template; False where it had none. Raises Unreachable."""
        had_route = kind in (await self.shared.read()).routes
        await self.update(lambda registered: registered.without_route(kind))
        return had_route

    async def sync(self) -> RegisteredTemplates:
        """Read the state of every registered template from Zalo. Raises Refused, ChannelError."""
        registered = await self.shared.read()
        if not registered.routes:
            return registered
        asked_at = self.clock()
        templates = [await self.read_template(id) for id in sorted(set(registered.routes.values()))]
        daily = whole_number((await self.read_optional(_QUOTA_PATH)).get("dailyQuota"))
        quality = first_text(await self.read_optional(_QUALITY_PATH), "oaCurrentQuality")

        def move(registered: RegisteredTemplates) -> RegisteredTemplates:
            now = registered.with_templates(templates).with_daily_quota(daily, asked_at)
            return replace(now, quality=quality, synced_at=self.clock())

        return await self.update(move)

    async def read_optional(self, path: str) -> Mapping[str, Any]:
        """Read optional facts; empty on a refusal, which `loa zalo status` reports."""
        try:
            return await self.read_data(path)
        except Refused:
            return {}

    async def apply_template_event(
        self, template_id: str, *, state: str = "", quality: str = ""
    ) -> None:
        """Apply a webhook event about a routed template; ignore others. Raises Unreachable."""

        def move(registered: RegisteredTemplates) -> RegisteredTemplates:
            known = registered.templates.get(template_id)
            if known is None:
                return registered
            changed = replace(known, state=state or known.state, quality=quality or known.quality)
            return registered.with_templates([changed])

        await self.update(move)

    async def apply_quota_event(self, daily: int | None, at: float) -> None:
        """Apply a webhook event about the daily quota. Raises Unreachable."""
        await self.update(lambda registered: registered.with_daily_quota(daily, at))

    async def recheck(self, id: str) -> None:
        """Read a refused template again, at most once a minute. Raises Refused, ChannelError."""
        if self.clock() - self.rechecked_at.get(id, 0.0) >= CACHE_S:
            self.rechecked_at[id] = self.clock()
            template = await self.read_template(id)
            await self.update(lambda registered: registered.with_templates([template]))

    async def read_template(self, id: str) -> Template:
        """The template; one that Zalo no longer knows counts as deleted."""
        try:
            return await self.read_info(id)
        except Refused as refused:
            if refused.rule.reason != error_codes.TEMPLATE_GONE:
                raise
            return Template(id, state=DELETE)

    async def read_info(self, id: str) -> Template:
        data = await self.read_data(_INFO_PATH, template_id=id)
        if not first_text(data, "status"):
            raise Unreachable("a template without its state")
        return Template.parse(id, data)

    async def read_data(self, path: str, **query: str) -> Mapping[str, Any]:
        return (await self.api.read(self.api.get_call(path, query))).fields

    async def update(
        self, change: Callable[[RegisteredTemplates], RegisteredTemplates]
    ) -> RegisteredTemplates:
        """Apply *change* to the shared value, and log the differences."""
        before = RegisteredTemplates()

        def apply(registered: RegisteredTemplates) -> RegisteredTemplates:
            nonlocal before
            before = registered
            return change(registered)

        after = await self.shared.update(apply)
        self.cache(after)
        _log_changes(before, after)
        return after

    def cache(self, registered: RegisteredTemplates) -> None:
        self.cached, self.cached_at = registered, self.clock()


def _check_params(kind: str, template: Template) -> None:
    """Raises UnfitTemplate."""
    required = {blank.name for blank in template.blanks if blank.require}
    if missing := sorted(required - guaranteed_parameters(kind)):
        raise UnfitTemplate(kind, template.id, missing)


def _log_changes(before: RegisteredTemplates, after: RegisteredTemplates) -> None:
    """Log each template whose state or quality changed."""
    for id, template in after.templates.items():
        previous = before.templates.get(id)
        if previous and (previous.state, previous.quality) != (template.state, template.quality):
            log.warning(
                "zalo_template_changed", template=id, kinds=after.kinds_of(id),
                was=previous.state, state=template.state, quality=template.quality,
            )  # fmt: skip
