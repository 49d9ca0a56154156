"""Buttons that people press at a desk that dies, each with the points at which it does."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from tests.deep.crash.setup import DESK_UNIT, TOPIC
from tests.support.uploaded_files import pdf

PEOPLE = {
    "an": ("Lê An", "nguoi-gui-tin"),
    "binh": ("Trần Bình", "lanh-dao-don-vi"),
    "chi": ("Vũ Chi", "bien-tap-vien"),
    "dung": ("Đỗ Dung", "lanh-dao-duyet"),
    "giang": ("Hồ Giang", "lanh-dao-duyet"),
    "hai": ("Ngô Hải", "quan-tri-kenh"),
    "khanh": ("Bùi Khánh", "quan-tri-tai-khoan"),
    "kim": ("Đinh Kim", "nguoi-gui-tin"),
}
SERIES, SERIES_UNIT = "ban-tin-cai-cach-hanh-chinh", "vu-cai-cach-hanh-chinh"
UNIT_OF = {"kim": SERIES_UNIT}
"""Who is of another unit than the others."""
DECIDED, STORED, STEP_UP = "editorial.decided", "editorial.stored", "session.renewed"
LOGGED = (DECIDED, STORED)
AUDITED = ("audit.intended", "audit.acted")
TAKEN = ("desk.position_taken", "desk.position_opened")
RELEASED = (
    *("desk.release_begun", "desk.decided", "desk.item_released"),
    *("release.decided", "release.stored", "desk.carried_out", "desk.settled"),
)
BARRED = ("intake.barred", "intake.withdrawal_published")
TOLD_OF = ("staff_mail.noted", "staff_mail.begun")
BEHIND = frozenset({*TAKEN, *RELEASED, *BARRED, *TOLD_OF})
"""Points that are passed behind the answer, by those who carry an act out and tell of it."""
TEXT = {
    "unit": DESK_UNIT, "title": "Lịch trả kết quả hồ sơ tháng 12", "body": "Đoạn một.",
    "topic": TOPIC, "channels": "portal", "lane": "normal",
}  # fmt: skip
WHY, CLEAN = {"note": "Còn thiếu số liệu."}, {"clean": "1"}


def time_field(days: int) -> dict[str, str]:
    at = datetime.now(UTC) + timedelta(days=days)
    return {"not_before": at.strftime("%Y-%m-%dT%H:00")}


class Press(NamedTuple):
    """A button that *login* presses, at whose *points* Loa dies, one after the other.

    `page` has its form, which goes to `action`; `{item}` is the item's path, `{letter}` and
    `{other}` are dead letters, `{account}` is an approver. `says`: what the answer's address, or
    its text, has in it. `act` is what it adds to the item's history, `audit` to the audit log,
    `told` who is told what, by the beginning of a mail's subject. `offers`: the page that offers
    what the browser had kept of the form; its form is sent after the last death.
    """

    login: str
    page: str
    action: str
    says: str
    points: tuple[str, ...] = ()
    fields: Mapping[str, str] = {}
    act: str = ""
    told: tuple[tuple[str, str], ...] = ()
    file: bytes = b""
    audit: str = ""
    offers: str = ""

    def at(self, *points: str) -> "Press":
        """The same button, at which Loa dies at *points*."""
        return self._replace(points=points)


SAVE = Press("an", "/soan-moi", "/soan-moi", "/tin/", (), TEXT, "save")
SAVE_KEPT = SAVE._replace(offers="/soan-moi?giu-tam=1", points=(STORED,))
SUBMIT = Press(
    *("an", "{item}", "{item}/gui", "?xong=submit"), act="submit", told=(("binh", "Chờ xác nhận"),)
)
RETURN = Press(
    *("binh", "{item}", "{item}/tra-lai", "?xong=return", (), WHY, "return"),
    told=(("an", "Trả lại để hoàn thiện"),),
)
CONFIRM = Press(
    *("binh", "{item}", "{item}/xac-nhan", "?xong=confirm", (), CLEAN, "confirm"),
    told=(("chi", "Chờ biên tập"), ("an", "Đơn vị đã xác nhận")),
)
EDITED = TEXT | {"body": "Đoạn một, đã sửa."}
EDIT = Press(
    *("chi", "{item}/sua", "{item}/sua", "/tin/", (), EDITED, "edit"),
    told=(("an", "Đang biên tập"),),
)
KEEP = Press("chi", "{item}/sua", "{keep}", "Đã giữ tạm", (), EDITED)
UPLOAD = Press("chi", "/tep", "/tep", "Đã nhận tệp")
COMMENT = Press("chi", "{item}", "{item}/gop-y", "?xong=comment", (), WHY, "comment")
TRIAL = Press(
    *("chi", "{item}/se-toi-ai", "{item}/se-toi-ai", "xong=thu"), told=(("chi", "BẢN THỬ"),)
)
PROPOSE = Press(
    *("chi", "{item}", "{item}/trinh", "?xong=propose", (), CLEAN, "propose"),
    told=(("dung", "Chờ duyệt"), ("giang", "Chờ duyệt"), ("an", "Đã trình duyệt")),
)
APPROVE = Press(
    *("dung", "{item}", "{item}/duyet", "?xong=approve", (STORED,)), act="approve",
    told=(("an", "Đã duyệt"), ("an", "Đã đăng")),
)  # fmt: skip
REJECT = Press(
    *("dung", "{item}", "{item}/tu-choi", "?xong=reject", LOGGED),
    *({**WHY, "reject_code": "trung-lap"}, "reject", (("an", "Từ chối"),)),
)
GIVE_UP = Press("an", "{item}", "{item}/bo", "?xong=give_up", LOGGED, {}, "give_up")
MOVE = Press("chi", "{item}", "{item}/doi-gio", "?xong=move", LOGGED, time_field(3), "edit")
CORRECTED = TEXT | {"body": "Đoạn một, đính chính.", "reason": "Sai ngày."}
CORRECT = Press("an", "{item}/sua", "{item}/sua", "/tin/", LOGGED, CORRECTED, "save")
WITHDRAW = Press(
    *("dung", "{item}", "{item}/go", "?xong=withdraw", (), WHY, "withdraw"),
    told=(("an", "Đã gỡ"),),
)
REASON = {"reason": WHY["note"]}
BEGIN_ISSUE = Press("kim", "/ban-tin", f"/ban-tin/{SERIES}", f"/tin/{SERIES}-", LOGGED, {}, "save")
INTRODUCED = {"edit": "save", "introduction": "Tuần qua.", "compiled_by": ""}
EDIT_ISSUE = Press(
    *("kim", "{item}/ban-tin", "{item}/ban-tin", "/ban-tin?o=save", LOGGED, INTRODUCED, "save"),
)
BEGINNINGS = (SAVE.page, BEGIN_ISSUE.page)
"""The pages at which an item is begun."""
PAUSE, RESUME = (
    Press("hai", "/van-hanh", f"/van-hanh/zalo/{act}", f"?xong={act}", AUDITED, REASON, audit=name)
    for act, name in (("tam-dung", "channel.pause"), ("chay-tiep", "channel.resume"))
)
LETTER, OTHER = "/su-kien-loai/{letter}", "/su-kien-loai/{other}"
RESENT = (AUDITED[0], "dead.decided", "dead.replayed", AUDITED[1])
REPLAY = Press(
    *("hai", LETTER, f"{LETTER}/gui-lai", "?xong=gui-lai", RESENT, REASON), audit="dead.replay"
)
DISCARD = Press("hai", OTHER, f"{OTHER}/bo", "?xong=bo", AUDITED, REASON, audit="dead.discard")
ACCOUNT = "/nhan-su/{account}"
DISABLE = Press(
    *("khanh", ACCOUNT, f"{ACCOUNT}/khoa", "Đã ghi nhận", AUDITED), audit="staff.disable"
)
AGREE = APPROVE._replace(says="?xong=second", points=(STEP_UP,), act="", told=())

STORIES: Mapping[str, tuple[Press, ...]] = {
    "published": (
        SAVE.at(*LOGGED),
        SUBMIT.at(*LOGGED, *TOLD_OF),
        RETURN.at(*LOGGED),
        SUBMIT,
        CONFIRM.at(*LOGGED),
        KEEP.at("desk.text_kept"),
        UPLOAD._replace(points=("uploads.pieces_stored",), file=pdf()),
        UPLOAD._replace(points=("uploads.stored",), file=pdf(b"/Lang(vi)")),
        EDIT.at(*LOGGED),
        COMMENT.at(*LOGGED),
        TRIAL.at("letter.stored"),
        PROPOSE.at(*LOGGED),
        APPROVE.at(STEP_UP, *LOGGED, *RELEASED),
        CORRECT,
        SUBMIT,
        CONFIRM,
        PROPOSE,
        APPROVE._replace(told=(("an", "Đã duyệt"), ("an", "Đã đăng bản mới"))),
        WITHDRAW.at(STEP_UP, *LOGGED, *BARRED),
    ),
    "moved": (
        SAVE._replace(fields=TEXT | time_field(2)),
        SUBMIT.at(STORED, *TAKEN),
        CONFIRM,
        PROPOSE,
        MOVE,
        REJECT,
    ),
    "given up": (SAVE, GIVE_UP),
    "taken up again": (SAVE_KEPT, GIVE_UP),
    "urgent": (
        SAVE,
        SUBMIT,
        CONFIRM,
        EDIT._replace(fields=EDITED | {"lane": "urgent"}),
        PROPOSE,
        AGREE,
        APPROVE._replace(login="giang", points=LOGGED),
    ),
    "bulletin": (BEGIN_ISSUE, EDIT_ISSUE),
    "operated": (PAUSE, RESUME, REPLAY, DISCARD, DISABLE),
}
"""An item each, but the last; what is told is told at once, before the next one presses."""
