"""Services for the desk: protocols of staff and units; implemented in consumers.staff."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from contracts.base.times import Clock
from contracts.base.working_days import WorkingDays, default_working_days
from contracts.bulletins.correction import IssueCorrection
from contracts.bulletins.issue import BulletinIssue
from contracts.bulletins.proposal import ReleasedItem
from contracts.bulletins.series import Span
from contracts.campaigns.reported import ReportedCampaign
from contracts.delivery import ChannelName
from contracts.desk.audit_log import AuditLogService
from contracts.desk.checks.links import LinkChecks
from contracts.desk.dead_letters import DeadLetterService
from contracts.desk.editorial import EditorialService
from contracts.desk.index import Items
from contracts.desk.kept_texts import KeptTextService
from contracts.desk.live import LiveDeliveries, SessionCheck
from contracts.desk.operations import OperationsService
from contracts.desk.person import Person
from contracts.desk.previews import Previews
from contracts.desk.reach import DryRuns, Trials
from contracts.desk.roles import RoleTable
from contracts.desk.shown.unit_callbacks import UnitCallbackService
from contracts.desk.shown.unit_events import UnitEventService, UnitTrialService
from contracts.desk.staff_mail import MailSettings
from contracts.desk.uploads import UploadService
from contracts.facts.live_reports import AuthorLists, Reports
from contracts.staff.oidc import Beginning, Finished, OidcArrival
from contracts.staff.sign_in import Activation, AppChange, Attempt, PasswordChange
from contracts.vocabulary import DEFAULT, Vocabulary
from producers.desk.rendering import DeskPages


class Grant(Protocol):
    """A role, for some units and topics, or for all."""

    @property
    def role(self) -> str: ...
    @property
    def units(self) -> Sequence[str]: ...
    @property
    def topics(self) -> Sequence[str]: ...


class Identity(Protocol):
    """A person at the identity provider."""

    @property
    def issuer(self) -> str: ...
    @property
    def subject(self) -> str: ...


class WaitingPerson(Identity, Protocol):
    """A person whom the provider vouches for and who has no account."""

    @property
    def name(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def last_seen(self) -> datetime: ...


class Account(Protocol):
    """A person's account."""

    @property
    def id(self) -> str: ...
    @property
    def login(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def grants(self) -> Sequence[Grant]: ...
    @property
    def has_totp(self) -> bool: ...
    @property
    def oidc(self) -> Identity | None: ...


class Session(Protocol):
    """One sign-in."""

    @property
    def started(self) -> datetime: ...
    @property
    def used(self) -> datetime: ...
    @property
    def network(self) -> str: ...
    @property
    def provider(self) -> Identity | None: ...


class LivingSession(Protocol):
    """A session, and the id under which its account may end it."""

    @property
    def id(self) -> str: ...
    @property
    def session(self) -> Session: ...


class WaitingTerminal(Protocol):
    """A terminal that waits to be signed in, as it describes itself."""

    @property
    def host(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def asked(self) -> datetime: ...


class Ability(Protocol):
    """A permission of a role, and under which conditions of `roles.toml`."""

    @property
    def name(self) -> str: ...
    @property
    def conditions(self) -> Sequence[str]: ...


class Act(Protocol):
    """An act of an account manager; `arguments` say what, `do` its kind."""

    @property
    def do(self) -> str: ...
    @property
    def arguments(self) -> Mapping[str, object]: ...


class Done(Protocol):
    """The result of an act; `secret` is shown once."""

    @property
    def account(self) -> Account | None: ...
    @property
    def secret(self) -> str: ...


class Submitted(Protocol):
    """An act, and what it has done; None while it waits for a second person."""

    @property
    def act(self) -> Act: ...
    @property
    def done(self) -> Done | None: ...


class WaitingAct(Protocol):
    """An act that waits for a second account manager. `subject`: the account that it changes."""

    @property
    def id(self) -> str: ...
    @property
    def act(self) -> Act: ...
    @property
    def proposers(self) -> Sequence[Account]: ...
    @property
    def at(self) -> datetime | None: ...
    @property
    def subject(self) -> Account | None: ...


class Visitor(Person, Protocol):
    """A person who is signed in, and what that person does at the desk.

    Every method raises BusError; changes raise ContractError.
    """

    @property
    def account(self) -> Account: ...
    @property
    def session(self) -> Session: ...
    @property
    def lacks_second_factor(self) -> bool: ...
    @property
    def is_stepped_up(self) -> bool: ...
    @property
    def needs_step_up_to_sign_in(self) -> bool: ...
    def may(self, action: str) -> bool: ...
    def needs_step_up(self, action: str) -> bool: ...
    def abilities(self) -> Sequence[Ability]: ...
    async def change_password(self, change: PasswordChange) -> str: ...
    async def change_app(self, change: AppChange) -> str: ...
    def mail_settings(self) -> MailSettings: ...
    async def set_mail(self, wanted: MailSettings) -> None: ...
    async def sessions(self) -> Sequence[LivingSession]: ...
    async def end_session(self, id: str) -> bool: ...
    async def end_all_sessions(self) -> None: ...
    async def find_terminal(self, code: str, network: str) -> WaitingTerminal: ...
    async def confirm_terminal(self, code: str, network: str) -> None: ...
    async def accounts(self) -> Sequence[Account]: ...
    async def find_account(self, id: str) -> Account: ...
    async def submit(self, fields: Mapping[str, object]) -> Submitted: ...
    async def set_address(self, account_id: str, address: str) -> Submitted: ...
    async def waiting_acts(self) -> Sequence[WaitingAct]: ...
    async def confirm(self, id: str) -> Submitted: ...
    async def refuse(self, id: str) -> None: ...


class Staff(Protocol):
    """Sign-in and sessions. A token is returned once and stored nowhere.

    Raises Unauthorized, always the same, and RateLimited after failures.
    """

    async def find(self, token: str, *, has_arrived: bool = True) -> Visitor | None: ...
    async def sign_in(self, attempt: Attempt) -> str: ...
    async def activate(self, activation: Activation) -> str: ...
    async def sign_out(self, token: str) -> None: ...
    async def step_up(self, token: str, code: str, network: str) -> str: ...
    def role_names(self) -> Mapping[str, str]: ...
    def role_table(self) -> RoleTable: ...
    def app_secret(self, token: str) -> bytes: ...


class OidcService(Protocol):
    """Sign-in through the identity provider.

    Raises Unauthorized for an answer or a token that is refused, Unavailable, BusError.
    """

    @property
    def can_step_up(self) -> bool: ...
    async def begin(self, return_to: str, step_up_of: str) -> Beginning: ...
    async def finish(self, arrival: OidcArrival) -> Finished: ...
    async def end_sessions(self, token: str) -> None: ...
    async def sign_out_url(self) -> str | None: ...
    async def waiting_people(self) -> Sequence[WaitingPerson]: ...


class UnitKey(Protocol):
    """An API key of a unit; `until`: when it ends because a newer one has replaced it."""

    @property
    def created(self) -> datetime: ...
    @property
    def until(self) -> datetime | None: ...


class UnitBusKey(Protocol):
    """A key for the bus, by the name under which it is revoked."""

    @property
    def id(self) -> str: ...
    @property
    def created(self) -> datetime: ...


class Registration(Protocol):
    """The rights of a unit, and its keys."""

    @property
    def release(self) -> str: ...
    @property
    def urgent(self) -> bool: ...
    @property
    def notices(self) -> Sequence[ChannelName]: ...
    @property
    def keys(self) -> Sequence[UnitKey]: ...
    @property
    def bus_keys(self) -> Sequence[UnitBusKey] | None: ...


class RegisteredUnit(Protocol):
    """A unit that may send."""

    @property
    def unit(self) -> str: ...
    @property
    def registration(self) -> Registration: ...


class TrialKeys(Protocol):
    """The keys with which units send trials."""

    async def keys(self, unit: str) -> Sequence[UnitKey]: ...


class Units(Protocol):
    """The registry of units."""

    @property
    def trials(self) -> TrialKeys: ...
    async def registered_units(self) -> Sequence[RegisteredUnit]: ...
    async def find(self, unit: str) -> Registration | None: ...


class Bulletins(Protocol):
    """The issues of bulletins. Every method raises BusError."""

    async def propose(self, series_id: str, span: Span | None = None) -> BulletinIssue:
        """The next issue of a series, of other days if given. Raises Invalid, Conflict."""
        ...

    async def begun_for(self, series_id: str, span: Span) -> str:
        """The issue of exactly the days that a person names, if it is not out; empty for none.

        Raises Invalid for days that have not begun.
        """
        ...

    async def begun_by(self, series_id: str, act_id: str) -> str:
        """The draft that the form with *act_id* has begun; empty for none."""
        ...

    async def released(self, content_id: str, issue: BulletinIssue) -> ReleasedItem:
        """An item that may be put into *issue*. Raises NotFound, Conflict."""
        ...

    def print_issue(self, issue: BulletinIssue, *, is_draft: bool) -> bytes:
        """The issue as a PDF for print. Raises Invalid for an unknown series."""
        ...

    async def outdated(self, issue: BulletinIssue, *, is_out: bool) -> Sequence[str]:
        """The items of an issue that changed, or expired before it is out, since it was made."""
        ...

    async def correction(self, issue: BulletinIssue) -> IssueCorrection:
        """An issue that is out, as its items are now. Raises Conflict if none is left."""
        ...


class CampaignReports(Protocol):
    """The short reports at the end of campaigns."""

    async def render(self, campaign: ReportedCampaign, kind: str) -> bytes:
        """The report as `docx` or `pdf`. Raises BusError, Unreadable, Invalid."""
        ...


@dataclass(frozen=True)
class DeskServices:
    """The services of the desk. *seal_key* seals its forms."""

    staff: Staff
    units: Units
    unit_names: Mapping[str, str]
    """The units of the vocabulary, by id."""
    seal_key: bytes
    oidc: OidcService | None = None
    has_own_nats: bool = False
    """The NATS server is the operator's: it reads the keys of units when it is told to."""
    pages: DeskPages = field(default_factory=DeskPages)
    dead_letters: DeadLetterService = field(kw_only=True)
    unit_events: UnitEventService = field(kw_only=True)
    unit_trials: UnitTrialService = field(kw_only=True)
    unit_callbacks: UnitCallbackService = field(kw_only=True)
    previews: Previews = field(kw_only=True)
    operations: OperationsService = field(kw_only=True)
    index: Items = field(kw_only=True)
    editorial: EditorialService = field(kw_only=True)
    bulletins: Bulletins = field(kw_only=True)
    campaign_reports: CampaignReports = field(kw_only=True)
    reports: Reports = field(kw_only=True)
    author_lists: AuthorLists = field(kw_only=True)
    kept_texts: KeptTextService = field(kw_only=True)
    links: LinkChecks = field(kw_only=True)
    clock: Clock = time.time
    vocabulary: Vocabulary = DEFAULT
    """The topics and audiences that a text may have."""
    working_days: WorkingDays = field(default_factory=default_working_days)
    dry_runs: DryRuns = field(kw_only=True)
    audit_log: AuditLogService = field(kw_only=True)
    live: LiveDeliveries = field(kw_only=True)
    trials: Trials = field(kw_only=True)
    sessions: SessionCheck = field(kw_only=True)
    uploads: UploadService = field(kw_only=True)
    public_url: str = field(kw_only=True)
    """The portal's address, without a path."""
