"""A campaign of the ministry, its plan, and items that join it."""

from datetime import date

from contracts.campaigns import composition
from contracts.campaigns.plan import CampaignPlan
from contracts.campaigns.progress import CampaignItem
from contracts.delivery import ChannelName

CAMPAIGN = "luong-moi-2027"
INTRODUCTION = "Từ 01/01/2027, tiền lương của công chức, viên chức tính theo quy định mới."
TOPIC = "thong-tin-chuyen-de"
PLAN = {
    "purpose": "Giảm số câu hỏi về chế độ tiền lương mới gửi về Bộ.",
    "first_day": "2026-12-01",
    "last_day": "2027-01-31",
    "partners": ["vu-cong-chuc-vien-chuc"],
    "entries": [
        {"number": 1, "title": "Giới thiệu quy định mới", "day": "2026-12-04"},
        {
            "number": 2,
            "title": "Hỏi đáp về cách tính lương",
            "day": "2026-12-18",
            "unit": "vu-cong-chuc-vien-chuc",
            "channel": "email",
        },
        {"number": 3, "title": "Ý kiến người hưởng lương", "day": "2027-01-15"},
    ],
    "targets": [{"metric": "items", "number": 5}, {"metric": "delivered", "number": 1000}],
}


def a_plan(**changes):
    return CampaignPlan.model_validate({**PLAN, **changes})


def campaign_data(**changes):
    return {
        "content_id": CAMPAIGN,
        "revision": 1,
        "topic": TOPIC,
        "title": "Chế độ tiền lương mới",
        **composition.fields_of(CAMPAIGN, a_plan(), {}, INTRODUCTION),
        **changes,
    }


def a_joined_item(name, entry=None, shown_on=None):
    day = date.fromisoformat(shown_on) if shown_on else None
    first_on = dict.fromkeys(ChannelName, day) if day else {}
    return CampaignItem(name, f"Tin {name}", "van-phong-bo", entry, first_on)
