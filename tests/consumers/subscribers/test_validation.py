"""Rules for subscribers without a bus: token payloads, merged imports, validation."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumers.messages import field_error
from consumers.subscribers import validation
from consumers.subscribers.csv_import import merge
from consumers.subscribers.signup import merge_application, normalize_application
from consumers.subscribers.tokens import LinkTokens, TokenPurpose, token_digest
from consumers.subscribers.transactional import may_ignore_suppression
from consumers.subscribers.validation import (
    PLACEHOLDER_EMAIL,
    check_email,
    normalize_email,
    unknown_values,
)
from contracts.base.addresses import is_mailable
from contracts.subscriptions.signup import SignupApplication
from contracts.subscriptions.subscriber import Consent, Subscriber
from contracts.subscriptions.transactional import TransactionalKind, TransactionalMail, mask_address
from contracts.vocabulary import DEFAULT
from producers.pages.mail_limits import MailLimits, address_group
from tests.support.clock import FakeClock
from tests.support.signup_app import KEYS

NOW = datetime(2026, 11, 26, 5, tzinfo=UTC)
TOPICS = [id for id, one in DEFAULT.topics.items() if one.is_subscribable]
UNITS = [id for id in DEFAULT.units if DEFAULT.knows("unit", id)]
AUDIENCES = list(DEFAULT.audiences)
URL_MAX = 2000
"""Length that every mail program and browser takes."""


def some(words):
    return st.lists(st.sampled_from(words), unique=True).map(lambda found: tuple(sorted(found)))


frequencies = st.sampled_from(["immediate", "daily", "weekly"])
names = st.sampled_from(["", "Nguyễn Thị Ánh Tuyết", "Đỗ Ước"])
wishes = st.fixed_dictionaries(
    {"name": names, "topics": some(TOPICS), "units": some(UNITS), "audiences": some(AUDIENCES)}
)
moments = st.integers(-300, 500).map(lambda days: NOW + timedelta(days=days))
readers = st.builds(
    lambda said, frequency, paused, consent: Subscriber(
        id="an", email="an@example.com", frequency=frequency, paused_until=paused,
        consent=Consent(version="1", at=consent) if consent else None, **said,
    ),
    wishes, frequencies, st.none() | moments, st.none() | moments,
)  # fmt: skip


@pytest.mark.parametrize("name", ["NguyÔn V¨n An", "Nguyeãn Vaên AÙn", "Nguyá»…n VÄƒn An"])
def test_a_name_in_a_wrong_encoding_is_refused_and_a_confirmed_one_kept(name):
    asked = SignupApplication(email="an@example.com", name=name)
    _, [wrong] = normalize_application(asked, DEFAULT)
    assert wrong.field == "name" and "Nguyễn V" in wrong.message
    reader = merge_application(None, "an", asked, Consent(version="1", at=NOW))
    assert reader.name == name, "an earlier Loa has mailed the link"


def test_an_unknown_topic_is_answered_with_those_that_a_reader_can_choose():
    [error] = unknown_values({"topics": ["khong-co"]}, DEFAULT)
    labels = {id for id, topic in DEFAULT.topics.items() if not topic.is_subscribable}
    named = {*re.findall(r"[a-z0-9]+(?:-[a-z0-9]+)+", error.message)}
    assert labels and named & labels == set()
    assert {*TOPICS} <= named


@given(
    st.builds(
        lambda said, one: SignupApplication(email="a@b.vn", frequency=one, **said),
        wishes,
        frequencies,
    )
)
def test_whatever_is_asked_for_comes_out_of_its_link(asked):
    links = LinkTokens(KEYS.derive, FakeClock())
    link = links.issue(TokenPurpose.CONFIRM, asked)
    assert links.read(TokenPurpose.CONFIRM, link.token, SignupApplication) == asked
    assert set(link.token) <= set(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    )
    assert asked.email not in link.token
    assert token_digest(link.token) not in link.token


def test_a_link_with_every_wish_there_is_fits_into_an_address():
    everything = SignupApplication(
        email="x" * 60 + "@" + "y" * 180 + ".vn", name="Ạ" * 150, topics=tuple(TOPICS),
        units=tuple(UNITS), audiences=tuple(AUDIENCES), version="2026-11", ip="k" * 52,
    )  # fmt: skip
    token = LinkTokens(KEYS.derive, FakeClock()).issue(TokenPurpose.CONFIRM, everything).token
    assert len(f"https://thong-bao.moha.gov.vn/dang-ky/xac-nhan/{token}") <= URL_MAX


@given(readers, wishes, frequencies)
def test_an_import_changes_wishes_and_nothing_that_only_the_reader_decides(before, said, frequency):
    line = Subscriber(id="other", email="An@Example.com", frequency=frequency, **said)
    after = merge(before, line, NOW)
    if before.consent:
        assert after == before, "who has chosen for themselves keeps what they chose"
        return
    assert (after.id, after.active, after.paused_until) == (before.id, True, before.paused_until)
    assert {name: getattr(after, name) for name in said} == said
    assert after.frequency == frequency
    assert before.frequency in (frequency, after.frequency_before)
    assert merge(after, line, NOW + timedelta(days=1)) == after
    left = before.after_leaving(NOW, "page")
    assert merge(left, line, NOW) == left


@given(st.none() | readers, wishes, frequencies)
def test_who_confirms_reads_what_they_asked_for_from_then_on(found, said, frequency):
    asked = SignupApplication(email="an@example.com", frequency=frequency, **said)
    consent = Consent(version="2026-11", at=NOW)
    for known in (found, found.after_leaving(NOW, "page") if found else None):
        one = merge_application(known, "new", asked, consent)
        assert (one.id, one.active) == (known.id if known else "new", True)
        assert {name: getattr(one, name) for name in said} == said
        state = (one.frequency, one.is_paused_at(NOW), one.left_at)
        assert state == (frequency, False, None)
        assert one.consent == consent
        assert merge_application(one, "other", asked, consent) == one


@given(wishes, frequencies)
def test_what_the_page_offers_is_good_and_judging_twice_changes_nothing(said, frequency):
    asked = SignupApplication(email="an@example.com", frequency=frequency, **said)
    clean, wrong = normalize_application(asked, DEFAULT)
    assert wrong == []
    assert normalize_application(clean, DEFAULT) == (clean, [])


@given(
    st.emails()
    | st.from_regex(r"[!-~ăđ]{1,70}@([!-~ă]{1,64}\.){1,4}(com|vn)", fullmatch=True)
    | st.text(max_size=80)
)
@example("a%b@example.com")
@example("b.example!a@example.com")
@example("x" * 65 + "@example.com")
@example("an@thông-báo.example.com")
def test_mail_goes_to_every_address_that_is_taken(written):
    address, wrong = check_email(written)
    assert is_mailable(address)
    assert not wrong or (address, wrong[0].field) == (PLACEHOLDER_EMAIL, "email")


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("a%b@example.com", "email_not_mailable"),
        ("nguyễn@example.com", "email_local_ascii"),
        ("an@thông-báo.example.com", ""),
        ("an+tin.moi_2@example.com", ""),
    ],
)
def test_an_address_is_refused_by_its_rule_and_found_if_kept_under_another(written, code):
    wrong = check_email(written)[1]
    assert wrong == ([field_error("email", code)] if code else [])
    assert (normalize_email(written)[1] == []) == (code != "email_local_ascii")


@pytest.mark.parametrize(
    ("one", "same", "other"),
    [
        ("2001:db8::1", "2001:db8:0:0:ffff::9", "2001:db8:0:1::1"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.8"),
        ("testclient", "testclient", "another"),
    ],
)
def test_a_household_is_counted_as_one_and_a_strange_name_as_itself(one, same, other):
    assert address_group(one) == address_group(same) != address_group(other)


HOUR, CLIENTS = 1000, 60


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ([f"2001:db8:0:{n:x}::1" for n in range(CLIENTS)], "2001:db8:1::1"),
        ([f"203.0.113.{n}" for n in range(CLIENTS)], "203.0.112.255"),
        ([f"::ffff:203.0.113.{n}" for n in range(CLIENTS)], "::ffff:203.0.112.255"),
    ],
)
def test_no_network_has_more_than_a_tenth_of_an_hours_letters(mine, other):
    clock = FakeClock(NOW.timestamp())
    limits, got = MailLimits(HOUR, clock), 0
    for _ in range(60):
        got += sum(limits.take_or_wait_s(one) == 0 for one in mine for _ in range(5))
        clock.advance(60)
    assert HOUR / 20 <= got <= HOUR / 10
    assert 0 < [limits.take_or_wait_s(mine[0]) for _ in range(3)][-1] <= 3600
    assert limits.take_or_wait_s(other) == 0
    assert MailLimits(0, clock).networks is None


@pytest.mark.parametrize("kind", TransactionalKind)
def test_only_who_is_asked_to_open_it_gets_a_letter_where_mail_came_back(kind):
    asks = {TransactionalKind.CONFIRM, TransactionalKind.MANAGE, TransactionalKind.CHANGE}
    assert may_ignore_suppression(kind, "bounced 5.1.1") == (kind in asks)
    assert not may_ignore_suppression(kind, "complaint")


@pytest.mark.parametrize("kind", [Subscriber, TransactionalMail])
def test_a_damaged_record_is_no_way_for_an_address_into_a_traceback(kind):
    for damaged in ('{"address": "an@example.com", "email": "an@', '["an@example.com"]'):
        with pytest.raises(ValidationError) as wrong:
            kind.model_validate_json(damaged)
        assert "an@" not in str(wrong.value)


def test_an_address_is_known_again_by_its_owner_alone():
    assert mask_address("nguyen.van.a@example.com") == "ng***@example.com"
    assert mask_address("a@example.com") == "a***@example.com"


MAILBOXES = st.one_of(
    st.sampled_from(["WWW", "Info", "postmaster", "Nguyen.Van.A", "nguyen-van+a"]),
    st.from_regex(r"[A-Za-z0-9_+.-]{1,70}", fullmatch=True),
    st.text(st.sampled_from("aB1._+-'\"@ é\u200b"), max_size=8),
)
DOMAINS = st.one_of(
    st.sampled_from(["gmail.com", "MoHa.gov.vn", "example.com", "a.test", "localhost", "x..vn"]),
    st.sampled_from(["xn--4ca.vn", "-a.vn", "a-.vn", "a_b.vn", "1.2.3.4", "vn", "é.vn", ""]),
    st.from_regex(r"[A-Za-z0-9.-]{1,70}", fullmatch=True),
    st.integers(1, 4).map(lambda n: ".".join(["d" * 63] * n) + ".vn"),
)


@given(MAILBOXES, DOMAINS)
@example("WWW", "gmail.com")
@example("a" * 64, "xn--" + "55q" * 12 + ".vn")
@example("a" * 64, "example.com")
@example("a" * 65, "example.com")
@example("a" * 60, ".".join(["d" * 60] * 3) + ".vnvnvn")
@example("a" * 60, ".".join(["d" * 60] * 3) + ".vnvnvnv")
def test_a_plain_address_is_judged_as_if_there_were_no_short_cut(mailbox, domain):
    cell = f"{mailbox}@{domain}"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(validation, "_normalize_plain", lambda _: "")
        judged = normalize_email(cell)
    assert normalize_email(cell) == judged
