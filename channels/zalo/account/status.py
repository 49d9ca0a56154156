"""Status of the Official Account: profile, remaining quotas, problems. Read only.

Each probe makes a read that one of the channel's tasks needs. A refusal is a finding with the place
in Zalo's consoles to correct it, and stops no other probe.
"""

from dataclasses import dataclass, field

from channels.errors import ChannelError
from channels.zalo import error_codes
from channels.zalo.case_notices.template_models import TemplateStatus, template_statuses
from channels.zalo.case_notices.template_registry import TemplateRegistry
from channels.zalo.client.article_api import PROFILE_PATH, QUOTA_PATH
from channels.zalo.client.client import ApiCall, ZaloClient
from channels.zalo.client.response import ApiResponse, first_text, whole_number
from channels.zalo.client.token_store import TokenStore
from channels.zalo.errors import Refused
from channels.zalo.outcomes import fix_for_error
from channels.zalo.quota.budget import Budget
from channels.zalo.quota.counter import AccountQuotas, QuotaWindow, WindowCount

_ACCOUNT_KINDS = {2: "business", 4: "state body"}
REFRESH_LIFE_S = 90 * 86400.0


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
        data = answer.fields
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


@dataclass
class AccountProbe:
    """Probes one Official Account over both hosts."""

    tokens: TokenStore
    oa: ZaloClient
    business: ZaloClient
    quotas: AccountQuotas
    budget: Budget
    templates: TemplateRegistry
    status: AccountStatus = field(default_factory=AccountStatus)

    async def run(self) -> AccountStatus:
        """Run all probes. Raises Unreachable for the stores only; Zalo's errors are findings."""
        await self.read_grant()
        await self.read_counters()
        if not self.status.missing:
            profile = await self.probe("sign in", self.oa, self.oa.get_data_call(PROFILE_PATH))
            self.status.account = AccountProfile.parse(profile) if profile else None
            await self.probe_publishing()
            await self.probe_templates()
            self.check_templates()
            self.check_profile()
        return self.status

    def report(self, task: str, reason: str, fix: str) -> None:
        """Add a finding; *fix* is a name in the table of codes."""
        self.status.missing.append(Finding(task, reason, error_codes.operator_fix(fix)))

    async def read_grant(self) -> None:
        """The stored token pair; a probe refreshes no token."""
        grant = (await self.tokens.read()).grant
        if grant.missing_consent:
            self.report("sign in", grant.missing_consent, "consent")
            return
        self.status.token_expires_at = grant.expires_at
        self.status.token_obtained_at = grant.obtained_at
        self.status.refresh_ends_at = grant.obtained_at + REFRESH_LIFE_S

    async def read_counters(self) -> None:
        """Our own counts of this month."""
        for counter in (self.quotas.articles, self.quotas.broadcasts.counters[0]):
            count = await counter.shared.read()
            self.status.spent[counter.window.name] = _usage_text(count, counter.window, "unknown")
        self.status.kinds = template_statuses(await self.templates.current())
        used, windows = await self.budget.shared.read(), self.budget.windows
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
            self.report(f"notices {kinds}", problem, fix)

    async def probe_publishing(self) -> None:
        """Probe the reads that articles and broadcasts need."""
        query = {"offset": "0", "limit": "1", "type": "normal"}
        await self.probe("articles", self.oa, self.oa.get_call("/v2.0/article/getslice", query))
        quota = self.oa.post_call(QUOTA_PATH, {})
        self.status.broadcasts = _fields(await self.probe("broadcasts", self.oa, quota))

    async def probe_templates(self) -> None:
        """Probe the reads that template messages by phone need."""
        quota, quality = map(self.business.get_call, ("/message/quota", "/quality"))
        self.status.templates = _fields(await self.probe("template messages", self.business, quota))
        self.status.quality = _fields(await self.probe("template quality", self.business, quality))

    async def probe(self, task: str, api: ZaloClient, call: ApiCall) -> ApiResponse | None:
        """Zalo's answer; None after an error, which becomes a finding."""
        try:
            return await api.read(call)
        except Refused as refused:
            reason = f"{refused.reason}: {refused.message}" if refused.message else refused.reason
            finding = Finding(task, reason, refused.rule.fix)
        except ChannelError as error:
            finding = Finding(task, error.reason, fix_for_error(error))
        self.status.missing.append(finding)
        return None

    def check_profile(self) -> None:
        """Problems of the profile that no call refuses yet."""
        account = self.status.account
        if account and not account.verified:
            self.report("everything that is paid", "not verified", "oa")
        if account and not account.business_account:
            self.report("template messages", "no business account", "money")


def _usage_text(count: WindowCount, window: QuotaWindow, without: str) -> str:
    """The used part and the limit; *without* is the text for no limit."""
    return f"{count.used} of {window.limit or without}"


def _fields(answer: ApiResponse | None) -> dict[str, str]:
    fields = answer.fields if answer else {}
    return {name: str(value) for name, value in fields.items() if value is not None}
