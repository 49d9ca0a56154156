"""Which texts of a campaign are in force without a release: those that change its plan alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.desk.shown.internal_change import is_internal_change
from tests.support.campaigns import CAMPAIGN, PLAN, campaign_data

OUT = campaign_data()
OTHER_PLANS = (
    {"purpose": "Việc khác."},
    {"targets": []},
    {"partners": []},
    {"entries": PLAN["entries"][1:]},
    {"entries": [{**PLAN["entries"][0], "day": "2026-12-20"}]},
)
PUBLIC = {
    "title": "Tiền lương từ 01/01/2027",
    "short_title": "Tiền lương",
    "summary": "Tóm tắt.",
    "body": "Lời giới thiệu khác.",
    "topic": "lich-nghi-le",
    "language": "en",
    "author": "Trần Thị Bình",
    "channels": ["portal"],
    "audiences": ["can-bo-cong-chuc"],
    "lane": "bulk",
    "links": [{"url": "https://moha.gov.vn", "title": "Trang của Bộ"}],
    "not_before": "2026-12-02T08:00:00+07:00",
    "expires_at": "2027-12-02T08:00:00+07:00",
}


def corrected(**changes):
    return OUT | {"revision": 2, "corrects_revision": 1} | changes


@pytest.mark.parametrize("changes", OTHER_PLANS)
def test_another_plan_alone_is_not_released(changes):
    plan = {**PLAN, **changes}
    for reason in ("", "Đổi chỉ tiêu."):
        assert is_internal_change(OUT, corrected(campaign_plan=plan, reason=reason))


@pytest.mark.parametrize("name", PUBLIC)
def test_a_field_that_readers_have_is_released(name):
    changed = corrected(campaign_plan={**PLAN, "targets": []}, **{name: PUBLIC[name]})
    assert not is_internal_change(OUT, changed)
    assert not is_internal_change(changed, corrected(revision=3))


def test_what_is_left_out_or_said_by_default_is_the_same():
    plain = {"language": "vi", "lane": "normal", "summary": "", "audiences": [], "cover": None}
    plan = {**PLAN, "targets": []}
    assert is_internal_change(OUT, corrected(campaign_plan=plan, **plain))


def test_another_planned_item_of_a_text_is_not_released_and_another_campaign_is():
    item = {key: OUT[key] for key in ("topic", "title", "body")}
    item |= {"content_id": "hoi-dap", "revision": 1, "campaign": CAMPAIGN, "campaign_entry": 1}
    assert is_internal_change(item, item | {"revision": 2, "campaign_entry": 2})
    assert is_internal_change(item, item | {"revision": 2, "campaign_entry": None})
    assert not is_internal_change(item, item | {"revision": 2, "campaign": "khac"})
    assert not is_internal_change(item, item | {"revision": 2}), "it says the same on purpose"


def test_an_item_that_is_no_campaign_and_an_unfinished_text_are_released():
    item = {key: OUT[key] for key in ("content_id", "topic", "title", "body")}
    assert not is_internal_change(item | {"revision": 1}, item | {"revision": 2})
    assert not is_internal_change({}, corrected())
    assert not is_internal_change(OUT, corrected(body=""))


@given(st.dictionaries(st.sampled_from([*PUBLIC]), st.booleans()), st.sampled_from(OTHER_PLANS))
def test_a_text_is_kept_inside_exactly_if_readers_would_see_no_other(chosen, plan):
    changes = {name: PUBLIC[name] for name, is_changed in chosen.items() if is_changed}
    after = corrected(campaign_plan={**PLAN, **plan}, **changes)
    assert is_internal_change(OUT, after) == (not changes)
