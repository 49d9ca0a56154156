"""The history of a consent: each change once, and bounded."""

from datetime import UTC, datetime, timedelta

from contracts.subscriptions.subscriber import Consent, Subscriber

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
READER = Subscriber(id="abc", email="an@example.com")


def changes(one: Subscriber) -> list[tuple[str, str, str]]:
    return [(event.change, event.by, event.version) for event in one.consent_history]


def test_who_leaves_and_comes_back_has_one_history():
    first = Consent(version="2026-01", at=NOON)
    one = READER.with_consent(first, "page")
    assert one.with_consent(first, "page") == one, "a repeat adds nothing"
    one = one.with_consent_event("changed", "page", NOON).after_leaving(NOON, "mail")
    back = one.with_consent(Consent(version="2026-11", at=NOON), "page")
    assert changes(back) == [
        ("given", "page", "2026-01"), ("changed", "page", "2026-01"),
        ("withdrawn", "mail", "2026-01"), ("given", "page", "2026-11"),
    ]  # fmt: skip
    assert Subscriber.model_validate_json(back.model_dump_json()) == back


def test_the_record_of_an_earlier_version_begins_with_its_consent():
    old = READER.model_copy(update={"consent": Consent(version="2026-01", at=NOON)})
    left = old.after_leaving(NOON + timedelta(days=1), "page")
    assert [event.at for event in left.consent_history] == [NOON, NOON + timedelta(days=1)]
    assert changes(left) == [("given", "page", "2026-01"), ("withdrawn", "page", "2026-01")]


def test_a_long_history_loses_its_oldest_changes_and_keeps_what_was_given():
    one = READER.with_consent(Consent(version="1", at=NOON), "page")
    for day in range(100):
        one = one.with_consent_event("changed", "page", NOON + timedelta(days=day))
    assert len(one.consent_history) == 50
    assert changes(one)[0] == ("given", "page", "1")
    assert one.consent_history[-1].at == NOON + timedelta(days=99)
