"""Findings of `loa status` and `/readyz`: a pure function of facts, by tables."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from channels.zalo import error_codes
from channels.zalo.errors import Refused
from consumers.channel_health.breaker import BreakerState
from consumers.channel_health.canary.status import CanaryStatus
from consumers.channel_health.readback import ReadbackFailure
from consumers.messages import load_catalog
from consumers.status.findings import (
    DeadLetters,
    DiskSpace,
    Facts,
    FailingEndpoint,
    PortalReplica,
    StaleFeed,
    UnknownSends,
    WaitingDraft,
    find,
)
from consumers.status.report import (
    ChannelStatus,
    CircuitStatus,
    LaneStatus,
    RefusedPublication,
    RelayStatus,
    Severity,
    StuckDelivery,
    WaitReason,
)
from consumers.status.zalo_limits import LimitUse
from consumers.zalo.wait_causes import Limit, explain_wait
from contracts.delivery import ChannelName, Lane
from contracts.errors import FieldError

ROOT = Path(__file__).parents[3]
EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL
NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
AGO, SOON, LATER = NOW - timedelta(minutes=9), NOW + timedelta(minutes=9), NOW + timedelta(days=9)
MB, GB = 1 << 20, 1 << 30
ACT, WATCH, NOTE = Severity.ACT, Severity.WATCH, Severity.NOTE
DAMAGE = FieldError(field="CONTENT", message="lost", message_vi="mất")
UNSEEN = ReadbackFailure(address="https://tin.example", since=AGO, why="HTTP 404")


def a_channel(**changes) -> ChannelStatus:
    return ChannelStatus(**({"paused": False, "lanes": {Lane.NORMAL: LaneStatus()}} | changes))


def channels(name=EMAIL, **changes) -> dict:
    return {"channels": {name: a_channel(**changes)}}


def relay_out(minutes) -> RelayStatus:
    return RelayStatus(name="a", reason="timeout", since=NOW - timedelta(minutes=minutes))


def open_since(since, reason="AUTH 535") -> dict:
    state = {"breaker": BreakerState.OPEN, "breaker_since": since, "breaker_reason": reason}
    return channels(**state)


def late_canary(why, next_at=SOON) -> dict:
    return channels(canary=CanaryStatus(state="late", since=AGO, why=why, next_at=next_at))


NO_SENDER = late_canary("none was sent: the service canary does not run")
OUTSTANDING = late_canary("nobody took it from the queue", None)
REFUSED_CANARY = late_canary("the channel said: AUTH 535")
NOTICES = CircuitStatus(
    breaker=BreakerState.OPEN, breaker_since=NOW, breaker_reason="timeout", breaker_part="notices"
)


def failing(backlog: int, **changes) -> dict:
    lanes = {Lane.NORMAL: LaneStatus(backlog=backlog)}
    return channels(failing="no connection", failing_since=AGO, lanes=lanes, **changes)


def waiting(rows: int) -> dict:
    return channels(lanes={Lane.NORMAL: LaneStatus(backlog=rows)})


def ready(seconds: float, services=("intake",), **changes) -> dict:
    """Rows that may go, while processes with *services* run."""
    lanes = {Lane.NORMAL: LaneStatus(backlog=14, ready=14, ready_s=seconds)}
    return {"services": dict.fromkeys(services, 1), **channels(ZALO, lanes=lanes, **changes)}


def waits(reason: str) -> dict:
    wait = WaitReason(reason=reason, rows=2, since=AGO, until=LATER)
    return channels(ZALO, waits=(wait,))


def refused(alone: bool) -> dict:
    facts = {"plan": "email.tin.1", "since": AGO, "next_at": SOON, "reason": "552 too large"}
    return channels(refused=(RefusedPublication(alone=alone, **facts),))


def stuck(holds: int = 0, since=AGO, **changes) -> dict:
    facts = {"content_id": "tin", "revision": 1, "rows": 25, "batches": 1, "since": since}
    facts |= {name: changes.pop(name) for name in ("kind", "is_leased") if name in changes}
    return channels(stuck=(StuckDelivery(holds=holds, **facts),), **changes)


def limit(used: int, most: int = 100) -> dict:
    return {"limits": (LimitUse(Limit.BROADCASTS, used, most, LATER),)}


def a_draft(since=AGO, **facts) -> dict:
    return {"drafts": (WaitingDraft("tin.1", since, **facts),)}


REPLICA = "replica.web2"


def an_endpoint(*states: str, **ago: int) -> dict:
    one = FailingEndpoint(
        "van-phong-bo.1f2e", NOW - timedelta(**ago), **dict.fromkeys(states, True)
    )
    return {"failing_endpoints": (one,)}


def a_replica(since, **facts) -> dict:
    return {"replicas": (PortalReplica("web2", since, **facts),)}


def a_disk(free: int, total: int = 100 * GB) -> dict:
    return {"disks": (DiskSpace("/data", free, total),)}


WELL = (
    {}, channels(), channels(canary=CanaryStatus(state="waiting", since=AGO)),
    {"limits": (LimitUse(None, 31, 40, LATER),)}, limit(79), limit(500, most=0),
    a_disk(11 * GB), a_disk(700 * GB, 10_000 * GB),
    failing(backlog=0),
    a_disk(3 * MB, 24 * MB), waits("zalo -32 oa rate"), waits("zalo -234 night"),
    waits("zalo -218 recipient quota"), waits("the article is not live"),
    waits("zalo broadcasts from 06:00 to 21:59"), waits("our shoe quota"), waits("zalo -9 odd"),
    {"versions": {"loa": "1", "nats_server": "2", "running": "1"}},
    {"consent_ends": NOW + timedelta(days=7)},
    ready(50), ready(600, services=()), ready(600, services=("deliver-zalo",)),
    {**ready(600), "at_work": True, **channels(ZALO)},
)  # fmt: skip
TABLE = [
    ({"store_problem": "no answer"}, [(ACT, "bus_cannot_store", "bus")]),
    ({"servers_away": ("n2", "n3")},
     [(WATCH, "server_away", "nats.n2"), (WATCH, "server_away", "nats.n3")]),
    (ready(60), [(WATCH, "no_worker", ZALO)]),
    (ready(600), [(ACT, "no_worker", ZALO)]),
    (ready(600, paused=True, paused_since=AGO), [(NOTE, "channel_paused", ZALO)]),
    ({"failing": {"nats": "no space left on device"}}, [(ACT, "bus_ill", "nats")]),
    ({"failing": {"bus": "no answer"}}, [(ACT, "check_failing", "bus")]),
    ({"failing": {"directory": "behind"}, "directory_since": AGO},
     [(ACT, "directory_behind", "directory")]),
    ({"unreadable": "outlet.portal"}, [(ACT, "facts_unreadable", "bus")]),
    ({"damages": (DAMAGE,)}, [(ACT, "bus_damaged", "CONTENT")]),
    ({"store_problem": "no answer", "failing": {"directory": "behind"}} | a_disk(0),
     [(ACT, "disk_full", "/data"), (ACT, "bus_cannot_store", "bus"),
      (ACT, "directory_behind", "directory")]),
    ({"unit_keys": (DAMAGE,)}, [(ACT, "bus_key_served", "CONTENT")]),
    ({"clock": DAMAGE}, [(ACT, "retention_held", "CONTENT")]),
    ({"lost_files": (DAMAGE,)}, [(ACT, "files_lost", "CONTENT")]),
    ({"dropped_log_lines": 7}, [(WATCH, "log_dropped", "log")]),
    ({"webhook_silent_since": AGO}, [(WATCH, "webhook_silent", ZALO)]),
    ({"lost_index": "/data/portal"}, [(ACT, "index_lost", PORTAL)]),
    (channels(PORTAL, breaker=BreakerState.OPEN, breaker_since=NOW, breaker_reason="index_lost")
     | {"lost_index": "/data/portal"}, [(ACT, "channel_broken_now", PORTAL)]),
    (a_disk(0, 24 * MB), [(ACT, "disk_full", "/data")]),
    (a_disk(GB - 1), [(ACT, "disk_full", "/data")]),
    (a_disk(9 * GB), [(WATCH, "disk_low", "/data")]),
    (a_disk(2 * MB, 24 * MB), [(WATCH, "disk_low", "/data")]),
    ({"filling": {"DEAD": 95}}, [(ACT, "stream_filling", "DEAD")]),
    ({"filling": {"DEAD": 94}}, [(WATCH, "stream_filling", "DEAD")]),
    (open_since(NOW - timedelta(minutes=4)), [(WATCH, "channel_broken", EMAIL)]),
    (open_since(NOW - timedelta(minutes=5)), [(ACT, "channel_broken", EMAIL)]),
    (open_since(NOW, "the consent is lost: used"), [(ACT, "channel_broken_now", EMAIL)]),
    (channels(ZALO, breaker=BreakerState.OPEN, breaker_since=NOW, breaker_reason="timeout",
              other_breakers=(NOTICES,)),
     [(WATCH, "channel_broken", ZALO), (WATCH, "channel_broken", "zalo.notices")]),
    (failing(backlog=1), [(WATCH, "channel_failing", EMAIL)]),
    (channels(PORTAL, unseen=UNSEEN), [(ACT, "pages_unseen", "portal")]),
    (channels(stopped=("email.tin.1",)), [(ACT, "mail_stopped", EMAIL)]),
    (stuck(), [(ACT, "delivery_stuck", EMAIL)]),
    (stuck(holds=2), [(ACT, "revision_held", EMAIL)]),
    (stuck(paused=True), [(NOTE, "channel_paused", EMAIL)]),
    (stuck(holds=2, is_leased=True), [(WATCH, "revision_held", EMAIL)]),
    (stuck(holds=2, is_leased=True, since=NOW - timedelta(hours=1)),
     [(ACT, "revision_held", EMAIL)]),
    (stuck(failing="no connection", failing_since=AGO, lanes={Lane.NORMAL: LaneStatus(backlog=1)}),
     [(WATCH, "channel_failing", EMAIL)]),
    (stuck(former="the relay a:25", former_until=AGO), [(ACT, "destination_lost", EMAIL)]),
    (stuck(stopped=("email.tin.1",)), [(ACT, "mail_stopped", EMAIL)]),
    (stuck(stopped=("email.tin.2",)),
     [(ACT, "mail_stopped", EMAIL), (ACT, "delivery_stuck", EMAIL)]),
    (stuck(**refused(alone=True)["channels"][EMAIL].model_dump(include={"refused"})),
     [(ACT, "mail_refused", EMAIL)]),
    (stuck(holds=2, paused=True), [(ACT, "revision_held", EMAIL), (NOTE, "channel_paused", EMAIL)]),
    (stuck() | {"at_work": False}, [(WATCH, "not_running", "loa")]),
    (refused(alone=True), [(ACT, "mail_refused", EMAIL)]),
    (refused(alone=False), [(ACT, "mails_refused", EMAIL)]),
    (channels(canary=CanaryStatus(state="late", since=AGO, why="none was sent", next_at=SOON)),
     [(ACT, "canary_late", EMAIL)]),
    (channels(canary=CanaryStatus(state="late", since=AGO)), [(ACT, "canary_outstanding", EMAIL)]),
    (channels(former="the relay a:25", former_until=AGO, breaker=BreakerState.OPEN,
              breaker_since=AGO, breaker_reason="LOA_EMAIL_HOST is missing"),
     [(ACT, "destination_lost", EMAIL), (ACT, "channel_broken", EMAIL)]),
    (channels(ZALO, former="Zalo, application 1", former_until=AGO),
     [(ACT, "destination_lost", ZALO)]),
    (channels(slowed=2, slowed_reason="421"), [(WATCH, "mail_slowed", EMAIL)]),
    (channels(relays_out=(relay_out(1), relay_out(5))),
     [(ACT, "relay_out", EMAIL), (WATCH, "relay_out", EMAIL)]),
    (channels(paused=True, paused_since=AGO), [(NOTE, "channel_paused", EMAIL)]),
    (waits("our broadcasts quota"), [(ACT, "limit_used_up", ZALO)]),
    (waits("our broadcasts quota") | limit(100), [(ACT, "limit_used_up", ZALO)]),
    (limit(80), [(WATCH, "limit_low", ZALO)]),
    (limit(100), [(WATCH, "limit_low", ZALO)]),
    ({"limits": (LimitUse(None, 32, 40, LATER),)}, [(WATCH, "zalo_quota_low", ZALO)]),
    (waits("zalo -211 quota"), [(ACT, "zalo_quota_used_up", ZALO)]),
    (waits("zalo -223 article quota"), [(ACT, "zalo_quota_used_up", ZALO)]),
    (waits("zalo -224"), [(ACT, "zalo_needs_person", ZALO)]),
    (waits("zalo -216"), [(ACT, "zalo_needs_person", ZALO)]),
    ({"unknown_sends": UnknownSends(2, AGO)}, [(ACT, "zalo_unknown", ZALO)]),
    ({"consent_ends": NOW + timedelta(days=6)}, [(ACT, "zalo_consent_ends", ZALO)]),
    ({"stale_feeds": (StaleFeed("a.f", AGO), StaleFeed("b.f"))}, [(WATCH, "feed_stale", "import")]),
    (an_endpoint(minutes=59), []),
    (an_endpoint(minutes=60), [(WATCH, "callback_waits", "callbacks.van-phong-bo.1f2e")]),
    (
        an_endpoint("is_disabled", minutes=1),
        [(WATCH, "callback_disabled", "callbacks.van-phong-bo.1f2e")],
    ),
    (an_endpoint("is_late", minutes=9), [(ACT, "callback_late", "callbacks.van-phong-bo.1f2e")]),
    ({"untold_since": NOW - timedelta(minutes=5)}, [(ACT, "units_untold", "callbacks")]),
    ({"untold_since": NOW - timedelta(minutes=4)}, []),
    (a_replica(NOW, lag=timedelta(seconds=59)), []),
    (a_replica(NOW, lag=timedelta(seconds=60)), [(ACT, "replica_behind", REPLICA)]),
    (a_replica(NOW), [(WATCH, "replica_begins", REPLICA)]),
    (a_replica(NOW, lag=timedelta(), is_other=True), [(WATCH, "replica_other", REPLICA)]),
    (a_replica(NOW - timedelta(minutes=2), lag=timedelta()), [(ACT, "replica_silent", REPLICA)]),
    ({"dead": DeadLetters(3, AGO)}, [(ACT, "dead_letters", "dead")]),
    ({"unread_since": NOW - timedelta(minutes=10)}, [(WATCH, "report_facts_behind", "facts")]),
    ({"unread_since": NOW - timedelta(minutes=9)}, []),
    (a_draft(), [(NOTE, "desk_waits", "desk")]),
    (a_draft(NOW - timedelta(days=1)), [(WATCH, "desk_waits", "desk")]),
    (a_draft(is_urgent=True), [(ACT, "desk_urgent", "desk"), (NOTE, "desk_waits", "desk")]),
    (a_draft(deadline=SOON), [(ACT, "desk_deadline", "desk"), (NOTE, "desk_waits", "desk")]),
    (a_draft(deadline=LATER), [(NOTE, "desk_waits", "desk")]),
    ({"restored": AGO}, [(WATCH, "restore_doubt", "restore")]),
    ({"at_work": False}, [(WATCH, "not_running", "loa")]),
    ({"at_work": False, "last_sign": AGO}, [(WATCH, "not_running", "loa")]),
    ({"at_work": False, "last_sign": AGO} | waiting(2100), [(ACT, "not_running", "loa")]),
    ({"at_work": False, "last_sign": AGO, "crashed": True}, [(ACT, "crashed", "loa")]),
    ({"at_work": False} | NO_SENDER, [(WATCH, "not_running", "loa")]),
    ({"at_work": False} | OUTSTANDING, [(WATCH, "not_running", "loa")]),
    ({"at_work": False} | REFUSED_CANARY,
     [(WATCH, "not_running", "loa"), (ACT, "canary_late", EMAIL)]),
    ({"at_work": False, "spooled": 2},
     [(WATCH, "not_running", "loa"), (WATCH, "spool_waits", "spool")]),
    ({"spooled": 2}, [(WATCH, "spool_waits", "spool")]),
    ({"versions": {"loa": "1", "running": "2"}}, [(WATCH, "version_differs", "loa")]),
]  # fmt: skip


@pytest.mark.parametrize("facts", WELL)
def test_what_is_well_or_ends_by_itself_is_no_finding(facts):
    assert find(Facts(NOW, **facts)) == ()


@pytest.mark.parametrize(("facts", "found"), TABLE)
def test_each_fact_has_its_finding_with_severity_and_place(facts, found):
    told = find(Facts(NOW, **facts))
    assert [(one.severity, one.code, one.about) for one in told] == found
    for one in told:
        for text in (one.message, one.message_vi, one.remedy, one.remedy_vi):
            assert "{" not in text
        assert bool(one.remedy) == bool(one.remedy_vi)


def test_beside_a_loa_that_runs_no_start_is_asked_for_and_a_denied_event_is_thought_of():
    [running] = find(Facts(NOW, spooled=1))
    assert "start Loa" not in running.remedy and "`loa publish`" in running.remedy
    assert "spooled_event_denied" in running.remedy and "spooled_event_denied" in running.remedy_vi
    stopped = find(Facts(NOW, spooled=1, at_work=False))[-1]
    assert "start Loa" in stopped.remedy and "`loa run`" in stopped.remedy_vi


def test_of_many_feeds_the_first_are_named():
    feeds = tuple(StaleFeed(f"don-vi.f{number}", AGO) for number in range(7))
    [one] = find(Facts(NOW, stale_feeds=feeds))
    assert one.since == AGO and "7 feeds" in one.message
    assert "don-vi.f4, …" in one.message and "f5" not in one.message + one.message_vi


def test_of_stuck_messages_to_one_person_only_the_kind_is_told():
    facts = {"revision": 1, "rows": 1, "batches": 1, "since": AGO}
    notice = StuckDelivery(content_id="", kind="case_notice", **facts)
    mail = StuckDelivery(content_id="", kind="personal_mail", **facts)
    [one] = find(Facts(NOW, **channels(stuck=(notice, mail, mail))))
    assert "3 batches of case notices, mails about a subscription stand" in one.message
    assert "3 lô của thông báo hồ sơ, thư riêng về việc đăng ký dừng" in one.message_vi


def test_what_needs_a_person_comes_first():
    facts = {"restored": AGO, **a_draft(is_urgent=True)}
    assert [one.severity for one in find(Facts(NOW, **facts))] == [ACT, WATCH, NOTE]


@pytest.mark.parametrize("stopped", [{}, {"last_sign": AGO}, {"last_sign": AGO, "crashed": True}])
def test_a_loa_that_does_not_run_comes_before_all_else(stopped):
    """Any other finding ends only once it runs again, or is of before it stopped."""
    others = {"dead": DeadLetters(1, AGO), **waits("zalo -224"), **a_disk(0), "damages": (DAMAGE,)}
    for facts in (others, others | open_since(AGO)):
        first, *rest = find(Facts(NOW, at_work=False, **stopped, **facts))
        assert first.code == ("crashed" if stopped.get("crashed") else "not_running")
        assert {one.severity for one in rest} == {ACT}


@pytest.mark.parametrize(
    ("facts", "end"),
    [
        ({}, "+07"),
        ({"paused_by": "An"}, "+07 (by: An)"),
        ({"paused_reason": "thử"}, "+07 (reason: thử)"),
        ({"paused_by": "An", "paused_reason": "thử"}, "+07 (by: An; reason: thử)"),
    ],
)
def test_a_pause_says_who_and_why_as_far_as_that_is_known(facts, end):
    [one] = find(Facts(NOW, **channels(paused=True, paused_since=AGO, **facts)))
    assert one.message.endswith(end)


@pytest.mark.parametrize("crashed", [False, True])
def test_a_loa_that_does_not_run_says_since_when_and_how_much_waits(crashed):
    facts = {"at_work": False, "last_sign": AGO, "crashed": crashed}
    [one] = find(Facts(NOW, **facts, **waiting(2100)))
    assert one.since == AGO
    assert "2027-01-15 14:51:00+07" in one.message and "14:51 ngày 15/01/2027" in one.message_vi
    assert "2100" in one.message and "2100" in one.message_vi


def test_an_item_is_named_as_commands_take_it_and_nothing_is_claimed_of_others():
    told = [find(Facts(NOW, **refused(alone=alone)))[0].message for alone in (True, False)]
    assert all("no mail of tin since" in text for text in told)
    assert "nor of" not in told[1] and "of another item since" in told[1]


def test_a_used_up_quota_says_reason_remedy_since_and_until():
    [one] = find(Facts(NOW, **waits("zalo -211 quota")))
    assert (one.since, one.until) == (AGO, LATER)
    assert "zalo -211 quota" in one.message and "2027-01-24 15:00:00+07" in one.message
    assert one.remedy.startswith("oa.zalo.me") and "đã dùng hết hạn mức" in one.remedy_vi
    [own] = find(Facts(NOW, **waits("our daily money quota")))
    assert "LOA_ZALO_MONEY_PER_DAY" in own.remedy and "số tiền mỗi ngày" in own.message_vi


RELAY = "the relay smtp.x:587 (tls: none), else b.x:25 (tls: none)"
FIXES = [
    (EMAIL, "no connection: Connection refused", "LOA_EMAIL_HOST and LOA_EMAIL_PORT"),
    (EMAIL, "timeout", "LOA_EMAIL_HOST and LOA_EMAIL_PORT"),
    (EMAIL, "no connection: Name or service not known", "a machine that DNS knows"),
    (EMAIL, "LOA_EMAIL_HOST is missing", "set LOA_EMAIL_HOST"),
    (EMAIL, "AUTH 535", "LOA_EMAIL_USERNAME and LOA_EMAIL_PASSWORD"),
    (EMAIL, "the relay's certificate is not valid: expired", "LOA_EMAIL_CA_BUNDLE"),
    (EMAIL, "TLS failed: unknown", "LOA_EMAIL_TLS"),
    (EMAIL, "554 5.7.1", "answers, and refuses our mail"),
    (EMAIL, "451", "the sender (LOA_EMAIL_FROM)"),
    (EMAIL, "550 policy", "a sign-in (LOA_EMAIL_USERNAME)"),
    (EMAIL, "greeting 554", "may this machine send"),
    (EMAIL, "5.7.26 (we are refused)", "can it be reached"),
]


@pytest.mark.parametrize(("channel", "reason", "words"), FIXES)
def test_the_remedy_names_the_relay_and_the_variables(channel, reason, words):
    for fact in ({"failing": reason, "lanes": {Lane.NORMAL: LaneStatus(backlog=1)}},
                 {"breaker": BreakerState.OPEN, "breaker_reason": reason}):  # fmt: skip
        [one] = find(Facts(NOW, **channels(channel, goes_to=RELAY, **fact)))
        assert words in one.remedy and "smtp.x:587" in one.remedy
        assert "máy chủ gửi thư smtp.x:587" in one.remedy_vi and "breaker" not in one.message_vi
        assert "nếu không được thì b.x:25" in one.remedy_vi
        refuses = "answers" in one.remedy
        assert ("có trả lời nhưng từ chối" in one.remedy_vi) == refuses
        assert ("reached" in one.remedy) <= (not refuses)


def test_a_lost_portal_folder_is_named_with_both_ways_back():
    place = {"goes_to": "https://tin.example, files in /srv/portal"}
    broken = channels(PORTAL, breaker=BreakerState.OPEN, breaker_reason="index_lost", **place)
    for facts in (broken, {"lost_index": "/srv/portal"}):
        [one] = find(Facts(NOW, **facts))
        assert "or its whole folder, is gone" in one.message
        assert "/srv/portal" in one.message + one.remedy
        assert "/srv/portal" in one.message_vi + one.remedy_vi
        assert "mounted" in one.remedy and "đã gắn" in one.remedy_vi
        assert "`loa rebuild portal`" in one.remedy and "`loa rebuild portal`" in one.remedy_vi


@pytest.mark.parametrize(
    ("why", "words"),
    [
        ("nobody took it from the queue", "`loa run deliver-email`"),
        ("none was sent: the service canary does not run", "`loa run canary`"),
        ("none was sent in time", "`loa run canary`"),
        ("the channel said: AUTH 535", "LOA_EMAIL_USERNAME"),
    ],
)
def test_a_late_canary_has_the_remedy_of_its_reason_alone(why, words):
    late = CanaryStatus(state="late", since=AGO, why=why, next_at=SOON)
    [one] = find(Facts(NOW, **channels(canary=late)))
    assert words in one.remedy and words in one.remedy_vi
    assert "service canary" not in one.remedy or words == "`loa run canary`"


def test_a_breaker_that_tries_says_what_the_try_meets():
    tries = {"breaker": BreakerState.HALF_OPEN, "breaker_since": AGO, "failing": "no answer"}
    [one] = find(Facts(NOW, **channels(breaker_reason="no connection", goes_to=RELAY, **tries)))
    assert "no answer" in one.message and "no connection" not in one.message
    tries["breaker"] = BreakerState.OPEN
    [one] = find(Facts(NOW, **channels(breaker_reason="no connection", goes_to=RELAY, **tries)))
    assert "no connection" in one.message


def test_what_the_server_says_is_told_to_its_end_without_the_folders():
    said = "JetStream stream 'LOA > PUBLICATIONS' write error: write /srv/loa/data/nats/jetstream"
    said += "/LOA/streams/PUBLICATIONS/msgs/1.blk: no space left on device"
    [one] = find(Facts(NOW, failing={"nats": said}))
    for text in (one.message, one.message_vi):
        assert "PUBLICATIONS" in text and "1.blk" in text and "/srv" not in text
    assert "no space left on device" in one.message


def test_readyz_gets_codes_and_times_without_texts():
    [one] = find(Facts(NOW, **waits("our broadcasts quota")))
    assert one.to_code() == {
        "severity": "act", "code": "limit_used_up", "about": "zalo",
        "since": "2027-01-15T07:51:00Z", "until": "2027-01-24T08:00:00Z",
    }  # fmt: skip


@pytest.mark.parametrize("host", [error_codes.OA_HOST, error_codes.BUSINESS_HOST])
def test_a_refusal_that_needs_a_person_is_explained_by_the_reason_of_its_row(host):
    for code, rules in error_codes.rules_by_code(host).items():
        for rule in rules:
            fix = error_codes.operator_fix_of(rule)
            if rule.kind in "QTA" and fix:
                cause = explain_wait(Refused("call", code, "", rule).reason)
                assert cause and cause.fix.vi, (host, code)


def test_the_runbook_has_every_code_and_each_text_its_remedy():
    runbook = (ROOT / "docs" / "operations.md").read_text()
    codes = {code for _, found in TABLE for _, code, _ in found}
    assert [code for code in sorted(codes) if f"| `{code}` |" not in runbook] == []
    texts = load_catalog("status")
    said_elsewhere = {
        "channel_broken",
        "channel_broken_now",
        "channel_failing",
        "canary_late",
        "canary_outstanding",
        "bus_damaged",
        "bus_key_served",
        "files_lost",
        "pages_unseen",
        "relay_out",
    }
    known = codes - said_elsewhere - {"retention_held"}  # with a remedy
    assert set(texts) <= codes, "words inside texts are in a catalogue of their own"
    assert {code for code, one in texts.items() if "do_en" in one} == known
    assert all(set(one) >= {"en", "vi"} for one in texts.values())


@pytest.mark.parametrize(
    "reason",
    ["timeout", "AUTH 535", "STARTTLS", "no connection: Name or service not known", "554 5.7.1"],
)
@pytest.mark.parametrize(
    ("variable", "words", "words_vi"),
    [
        ("LOA_EMAIL_RELAYS_FILE", "the file of LOA_EMAIL_RELAYS_FILE", "tệp của LOA_EMAIL_RELAYS_"),
        ("LOA_EMAIL_FALLBACK_HOST", "LOA_EMAIL_FALLBACK_HOST and", "LOA_EMAIL_FALLBACK_HOST và"),
    ],
)
def test_a_relay_that_is_out_is_named_where_it_is_set(reason, variable, words, words_vi):
    facts = {"address": "mx2.vn:587", "variable": variable, "reason": reason}
    relay = relay_out(5).model_copy(update=facts)
    channel = a_channel(goes_to="the relay mx1.vn:587, mx2.vn:587", relays_out=(relay,))
    [said] = find(Facts(now=NOW, channels={EMAIL: channel}))
    for remedy, where in ((said.remedy, words), (said.remedy_vi, words_vi)):
        assert "mx2.vn:587" in remedy and where in remedy
        assert "mx1" not in remedy and "LOA_EMAIL_HOST" not in remedy
    assert ("answers, and refuses" in said.remedy) == reason.startswith("554")
