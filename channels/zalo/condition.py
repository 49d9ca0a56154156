"""How the Official Account stands: who it is, what is left of its quotas, and what is missing.

Only reads. Each probe asks for what one of the channel's tasks needs; a refusal is a finding with
the place in Zalo's consoles where it is put right, and stops no other probe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from channels.errors import ChannelError
from channels.zalo import codes
from channels.zalo.api import Call, ZaloApi
from channels.zalo.codes import Refused
from channels.zalo.counts import Cap, Count
from channels.zalo.envelope import Answer, text_of, whole
from channels.zalo.meter import Quotas
from channels.zalo.notices import Books
from channels.zalo.outcomes import fix_for
from channels.zalo.serving import Serving, servings
from channels.zalo.tokens import TokenKeeper

KINDS = {2: "business", 4: "state body"}
REFRESH_LIFE_S = 90 * 86400.0


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that does not work: which task needs it, what Zalo says, where it is mended."""

    task: str
    reason: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """What `getoa` says."""

    id: str
    name: str
    kind: str
    verified: bool
    package: str
    package_until: str
    business_account: str
    followers: int | None

    @classmethod
    def read(cls, answer: Answer) -> "Account":
        data: Mapping[str, Any] = answer.data if isinstance(answer.data, Mapping) else {}
        kind = whole(data.get("oa_type"))
        return cls(
            id=text_of(data, "oaid", "oa_id"),
            name=text_of(data, "name"),
            kind=KINDS.get(kind or 0, f"type {kind}"),
            verified=data.get("is_verified") in (True, "true", 1),
            package=text_of(data, "package_name"),
            package_until=text_of(data, "package_valid_through_date"),
            business_account=text_of(data, "linked_ZCA"),
            followers=whole(data.get("num_follower")),
        )


@dataclass
class Condition:
    """What was found; times are seconds since the epoch, None where nobody could say.

    `spent` is our own count of this month, `notices` that of template messages.
    """

    account: Account | None = None
    token_expires_at: float | None = None
    token_obtained_at: float | None = None
    refresh_ends_at: float | None = None
    last_event_at: float | None = None  # of the webhook; whoever knows it says it
    spent: dict[str, str] = field(default_factory=dict)
    broadcasts: dict[str, str] = field(default_factory=dict)
    templates: dict[str, str] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    kinds: list[Serving] = field(default_factory=list)
    missing: list[Finding] = field(default_factory=list)


class Examiner:
    """Examines one Official Account over both hosts."""

    def __init__(
        self, tokens: TokenKeeper, oa: ZaloApi, business: ZaloApi, quotas: Quotas, books: Books
    ) -> None:
        self.tokens = tokens
        self.quotas = quotas
        self.books = books
        self.oa = oa
        self.business = business
        self.found = Condition()

    async def examine(self) -> Condition:
        """Raises Unreachable only for the vault; whatever Zalo says is in the answer."""
        await self.grant()
        await self.count()
        if not self.found.missing:
            await self.probe("sign in", self.oa.get_data("/v2.0/oa/getoa"), self.oa, self.know)
            await self.publishing()
            await self.templates()
            self.serving()
            self.conclude()
        return self.found

    async def grant(self) -> None:
        """The token pair as it is stored; nothing is renewed for a look."""
        grant = (await self.tokens.read()).grant
        if grant.lost or not grant.access_token:
            reason = grant.lost or "no consent yet"
            self.found.missing.append(Finding("sign in", reason, codes.fix("consent")))
            return
        self.found.token_expires_at = grant.expires_at
        self.found.token_obtained_at = grant.obtained_at
        self.found.refresh_ends_at = grant.obtained_at + REFRESH_LIFE_S

    async def count(self) -> None:
        """What we have spent this month, by our own count."""
        for one in (self.quotas.articles, self.quotas.broadcasts.meters[0]):
            self.found.spent[one.cap.name] = of(await one.cell.read(), one.cap, "unknown")
        self.found.kinds = servings(await self.books.templates.book())
        spent, caps = await self.books.purse.spent(), self.books.purse.caps
        self.found.notices = {
            "today": of(spent.notices, caps.notices, "no limit of ours"),
            "money today": of(spent.today, caps.today, "no cap"),
            "money this month": of(spent.month, caps.month, "no cap"),
        }

    def serving(self) -> None:
        """Which notices can't be sent, for want of a template that Zalo has approved."""
        lacking = [one for one in self.found.kinds if one.lacks]
        for lack, fix in dict.fromkeys((one.lacks, one.fix) for one in lacking):
            kinds = ", ".join(one.kind for one in lacking if one.lacks == lack)
            self.found.missing.append(Finding(f"notices {kinds}", lack, codes.fix(fix)))

    async def publishing(self) -> None:
        """What articles and broadcasts need."""
        query = {"offset": "0", "limit": "1", "type": "normal"}
        listing = self.oa.get("/v2.0/article/getslice", query)
        await self.probe("articles", listing, self.oa)
        quota = self.oa.post("/v2.0/oa/quota/message", {})
        await self.probe("broadcasts", quota, self.oa, keep(self.found.broadcasts))

    async def templates(self) -> None:
        """What template messages by phone need."""
        quota, quality = self.business.get("/message/quota"), self.business.get("/quality")
        await self.probe("template messages", quota, self.business, keep(self.found.templates))
        await self.probe("template quality", quality, self.business, keep(self.found.quality))

    async def probe(
        self,
        task: str,
        call: Call,
        api: ZaloApi,
        use: Callable[[Answer], None] | None = None,
    ) -> None:
        try:
            answer = await api.ask(call)
        except Refused as refused:
            words = f"{refused.reason}: {refused.words}" if refused.words else refused.reason
            self.found.missing.append(Finding(task, words, refused.ruling.fix))
        except ChannelError as trouble:
            self.found.missing.append(Finding(task, trouble.reason, fix_for(trouble)))
        else:
            if use:
                use(answer)

    def know(self, answer: Answer) -> None:
        self.found.account = Account.read(answer)

    def conclude(self) -> None:
        """What no call refuses yet, and will be missed."""
        account = self.found.account
        if account and not account.verified:
            finding = Finding("everything that is paid", "not verified", codes.fix("oa"))
            self.found.missing.append(finding)
        if account and not account.business_account:
            finding = Finding("template messages", "no business account", codes.fix("money"))
            self.found.missing.append(finding)


def of(count: Count, cap: Cap, without: str) -> str:
    """What is used of it, and of how much; *without*: when nobody set a limit."""
    return f"{count.used} of {cap.limit or without}"


def keep(there: dict[str, str]) -> Callable[[Answer], None]:
    """What puts an answer's plain fields *there*, numbers as text."""

    def use(answer: Answer) -> None:
        data = answer.data if isinstance(answer.data, Mapping) else {}
        there.update((name, str(value)) for name, value in data.items() if value is not None)

    return use
