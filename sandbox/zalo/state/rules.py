"""Rules of the sandbox: behaviour of Zalo that was observed in several forms."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

RefusalForm = Literal["code", "text_code", "names_only", "empty", "html"]
"""Forms of a refusal by the OAuth host: number, number as text, names alone, empty, a page."""


class Rules(BaseModel):
    """The defaults are Zalo's latest observed behaviour."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # the app and its tokens
    callback_url: str = ""  # the address saved in the console; empty: any
    per_minute: int = 4000
    expires_in: str | int | None = "90000"
    refresh_token_expires_in: str | int | None = None  # undocumented, but observed
    omit_refresh_token: bool = False
    spent_answer: RefusalForm = "empty"
    oauth_failure: RefusalForm = "code"

    # the Official Account
    oa_type: Literal[2, 4] = 4  # 2 a business, 4 a state body
    free_package: bool = False
    silent_followers: int = 11000  # counted in the profile, but not simulated

    # articles
    processing: int = 2  # answers -214 before an article is ready
    article_quota: int = 400
    broken_images: tuple[str, ...] = ()  # addresses that contain one of these cannot be fetched
    update_token: bool = True  # an update has to be verified

    # broadcasts
    broadcast_quota: int = 40
    follower_broadcasts: int = 4  # per follower and month; one a day
    delivery_s: float = 1800.0

    # one-to-one messages
    v2_refused: bool = False  # -235 on v2 too
    receipt_after_s: float = 0.0

    # templates
    zca_linked: bool = True
    uid_templates: bool = True
    sent_time_on_top: bool = False
    unknown_phones: Literal[0, -114, -118] = 0  # error for a phone without a person; 0: accepted
    daily_quota: int = 20000
    monthly_promotions: int = 10000
    quality: Literal["HIGH", "MEDIUM", "LOW", "UNDEFINED"] = "HIGH"

    # webhooks
    webhook_timeout_s: float = 2.0
    webhook_copies: int = 1
    webhook_shuffle: int = 1  # number of events that are gathered; the last leaves first
