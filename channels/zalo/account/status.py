"""Status of the Official Account: profile, remaining quotas, problems. Read only.

Each probe makes a read that one of the channel's tasks needs. A refusal is a finding with the place
in Zalo's consoles to correct it, and stops no other probe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.errors import ChannelError
from channels.zalo import error_codes
from channels.zalo.case_notices.sender import NoticeStores
from channels.zalo.case_notices.template_by_kind import TemplateStatus, template_statuses
from channels.zalo.client.client import ApiCall, ZaloClient
from channels.zalo.client.response import ApiResponse, first_text, whole_number
from channels.zalo.client.token_store import TokenStore
from channels.zalo.errors import Refused
from channels.zalo.outcomes import fix_for_error
from channels.zalo.quota.counter import AccountQuotas
from channels.zalo.quota.window import QuotaWindow, WindowCount

_ACCOUNT_KINDS = {2: "business", 4: "state body"}
_REFRESH_LIFE_S = 90 * 86400.0


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem: the task that fails, Zalo's reason, the place to correct it."""

    task: str
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class AccountProfile:
    """The account's profile from `getoa`."""

    id: str
    name: str
    kind: str
    verified: bool
    package: str
    package_until: str
    business_account: str
    followers: int | None

    @classmethod
    def parse(cls, answer: ApiResponse) -> "AccountProfile":
        data: Mapping[str, Any] = answer.data if isinstance(answer.data, Mapping) else {}
        kind = whole_number(data.get("oa_type"))
        return cls(
            id=first_text(data, "oaid", "oa_id"),
            name=first_text(data, "name"),
            kind=_ACCOUNT_KINDS.get(kind or 0, f"type {kind}"),
            verified=data.get("is_verified") in (True, "true", 1),
            package=first_text(data, "package_name"),
            package_until=first_text(data, "package_valid_through_date"),
            business_account=first_text(data, "linked_ZCA"),
            followers=whole_number(data.get("num_follower")),
        )


@dataclass
class AccountStatus:
    """Results of the probes; times are seconds since the epoch, None for unknown.

    `spent` is our own count of this month, `notices` that of template messages.
    """

    account: AccountProfile | None = None
    token_expires_at: float | None = None
    token_obtained_at: float | None = None
    refresh_ends_at: float | None = None
    last_event_at: float | None = None  # of the webhook; set by the caller
    spent: dict[str, str] = field(default_factory=dict)
    broadcasts: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    kinds: list[TemplateStatus] = field(default_factory=list)
    missing: list[Finding] = field(default_factory=list)


class AccountProbe:
    """Probes one Official Account over both hosts."""

    def __init__(
        self,
        tokens: TokenStore,
        oa: ZaloClient,
        business: ZaloClient,
        quotas: AccountQuotas,
        stores: NoticeStores,
    ) -> None:
        self.tokens = tokens
        self.quotas = quotas
        self.stores = stores
        self.oa = oa
        self.business = business
        self.status = AccountStatus()

    async def run(self) -> AccountStatus:
        """Run all probes. Raises Unreachable for the stores only; Zalo's errors are findings."""
        await self.read_grant()
        await self.read_counters()
        if not self.status.missing:
            await self.probe(
                "sign in", self.oa.get_data_call("/v2.0/oa/getoa"), self.oa, self.set_profile
            )
            await self.probe_publishing()
            await self.probe_templates()
            self.check_templates()
            self.check_profile()
        return self.status

    async def read_grant(self) -> None:
        """The stored token pair; a probe refreshes no token."""
        grant = (await self.tokens.read()).grant
        if grant.lost or not grant.access_token:
            reason = grant.lost or "no consent yet"
            self.status.missing.append(
                Finding("sign in", reason, error_codes.operator_fix("consent"))
            )
            return
        self.status.token_expires_at = grant.expires_at
        self.status.token_obtained_at = grant.obtained_at
        self.status.refresh_ends_at = grant.obtained_at + _REFRESH_LIFE_S

    async def read_counters(self) -> None:
        """Our own counts of this month."""
        for counter in (self.quotas.articles, self.quotas.broadcasts.counters[0]):
            self.status.spent[counter.window.name] = _usage_text(
                await counter.shared.read(), counter.window, "unknown"
            )
        self.status.kinds = template_statuses(await self.stores.templates.current())
        used, windows = await self.stores.budget.used(), self.stores.budget.windows
        self.status.notices = {
            "today": _usage_text(used.notices, windows.notices, "no limit of ours"),
            "money today": _usage_text(used.today, windows.today, "no cap"),
            "money this month": _usage_text(used.month, windows.month, "no cap"),
        }

    def check_templates(self) -> None:
        """Kinds of notices that cannot be sent, because they lack an approved template."""
        blocked = [status for status in self.status.kinds if status.problem]
        for problem, fix in dict.fromkeys((status.problem, status.fix) for status in blocked):
            kinds = ", ".join(status.kind for status in blocked if status.problem == problem)
            self.status.missing.append(
                Finding(f"notices {kinds}", problem, error_codes.operator_fix(fix))
            )

    async def probe_publishing(self) -> None:
        """Probe the reads that articles and broadcasts need."""
        query = {"offset": "0", "limit": "1", "type": "normal"}
        listing = self.oa.get_call("/v2.0/article/getslice", query)
        await self.probe("articles", listing, self.oa)
        quota = self.oa.post_call("/v2.0/oa/quota/message", {})
        await self.probe("broadcasts", quota, self.oa, _collect_fields(self.status.broadcasts))

    async def probe_templates(self) -> None:
        """Probe the reads that template messages by phone need."""
        quota, quality = (
            self.business.get_call("/message/quota"),
            self.business.get_call("/quality"),
        )
        await self.probe(
            "template messages", quota, self.business, _collect_fields(self.status.templates)
        )
        await self.probe(
            "template quality", quality, self.business, _collect_fields(self.status.quality)
        )

    async def probe(
        self,
        task: str,
        call: ApiCall,
        api: ZaloClient,
        use: Callable[[ApiResponse], None] | None = None,
    ) -> None:
        try:
            answer = await api.read(call)
        except Refused as refused:
            reason = f"{refused.reason}: {refused.message}" if refused.message else refused.reason
            self.status.missing.append(Finding(task, reason, refused.rule.fix))
        except ChannelError as trouble:
            self.status.missing.append(Finding(task, trouble.reason, fix_for_error(trouble)))
        else:
            if use:
                use(answer)

    def set_profile(self, answer: ApiResponse) -> None:
        self.status.account = AccountProfile.parse(answer)

    def check_profile(self) -> None:
        """Problems of the profile that no call refuses yet."""
        account = self.status.account
        if account and not account.verified:
            finding = Finding(
                "everything that is paid", "not verified", error_codes.operator_fix("oa")
            )
            self.status.missing.append(finding)
        if account and not account.business_account:
            finding = Finding(
                "template messages", "no business account", error_codes.operator_fix("money")
            )
            self.status.missing.append(finding)


def _usage_text(count: WindowCount, window: QuotaWindow, without: str) -> str:
    """The used part and the limit; *without* is the text for no limit."""
    return f"{count.used} of {window.limit or without}"


def _collect_fields(there: dict[str, str]) -> Callable[[ApiResponse], None]:
    """A function that copies an answer's plain fields into *there*, as text."""

    def use(answer: ApiResponse) -> None:
        data = answer.data if isinstance(answer.data, Mapping) else {}
        there.update((name, str(value)) for name, value in data.items() if value is not None)

    return use
