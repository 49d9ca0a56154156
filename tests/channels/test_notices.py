"""Notice to a person on their dossier: the facts in Vietnamese, per status, on every channel."""

import re
import unicodedata

import pytest

from channels import case_notice_texts
from channels.case_notice_texts import APOLOGY, NOTICE_KINDS, PARAMETERS
from channels.email.parsing import body_text
from contracts.case import REQUIRED_FIELDS, STATUS_NAMES, CaseNotice
from sandbox.zalo.state.templates import TemplateStore, shipped_routes
from tests.support.mails import email_channel, mail_recipient, without_dot_stuffing
from tests.support.zalo_notices import FACTS, sample_notice

NEEDED = {name for name, one in CaseNotice.model_fields.items() if one.is_required()}
LEAST = {name: FACTS[name] for name in NEEDED - {"status"}}


def the_least(of: str) -> CaseNotice:
    """A notice of kind *of* that says no more than it must."""
    needed = ("new_due_at",) if of == APOLOGY else REQUIRED_FIELDS.get(int(of), ())
    kind = {"notice": APOLOGY, "status": 7} if of == APOLOGY else {"status": int(of)}
    return CaseNotice.model_validate(LEAST | kind | {name: FACTS[name] for name in needed})


def lines(notice: CaseNotice) -> list[str]:
    """Text of a mail, a fact on a line of its own."""
    text = case_notice_texts.notice_text(notice)
    facts = [f"{label}: {value}" for label, value in text.facts]
    warning = [text.warning] if text.warning else []
    return [*text.greeting, *text.paragraphs, *warning, *facts, *text.closing]


def test_the_facts_are_said_in_vietnamese_by_vietnams_clock():
    notice = sample_notice("5", authorised_person="Phạm Thị D")
    assert case_notice_texts.parameter_values(notice) == {
        "ma_ho_so": "H42.20-20260609-0092637",
        "ma_thu_tuc": "1.010195",
        "ten_thu_tuc": "Cấp bản sao và chứng thực tài liệu lưu trữ",
        "co_quan": "Sở Nội vụ tỉnh Ninh Bình",
        "don_vi_tiep_nhan": "H42.20",
        "trang_thai": "Yêu cầu bổ sung giấy tờ",
        "thoi_diem": "08:30 09/06/2026",
        "ho_ten": "Nguyễn Văn A***",
        "nguoi_nop": "Ông (Bà)",
        "kinh_gui": "Ông (Bà)",
        "nguoi_duoc_uy_quyen": "Phạm Thị D",
        "thoi_diem_nop": "08:30 09/06/2026",
        "ngay_tiep_nhan": "10/06/2026",
        "nguoi_tiep_nhan": "Trần Thị B",
        "nguoi_xu_ly": "Lê Văn C",
        "ngay_hen_tra": "30/06/2026",
        "ngay_hen_moi": "14/07/2026",
        "giay_to": "Bản sao quyết định; Giấy xác nhận",
        "han_bo_sung": "20/06/2026",
        "so_tien": "1.250.000",
        "noi_nop": "Bộ phận Một cửa",
        "noi_nhan": "Trung tâm Phục vụ hành chính công tỉnh Ninh Bình",
        "ly_do": "Hồ sơ thiếu chữ ký của người nộp",
        "lien_ket": "https://dichvucong.gov.vn/ho-so",
    }


def test_there_is_a_kind_for_every_status_and_the_apology():
    assert set(NOTICE_KINDS) == {*map(str, STATUS_NAMES), APOLOGY}
    assert set(case_notice_texts.catalog()["kind"]) == set(NOTICE_KINDS) == set(shipped_routes())


def test_every_field_a_person_may_be_told_of_has_a_name():
    said = {field for field, _ in PARAMETERS.values()}
    assert set(CaseNotice.model_fields) - said == {"notice"}


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_what_is_certain_of_a_kind_is_said_by_the_least_of_its_notices(kind):
    assert set(
        case_notice_texts.parameter_values(the_least(kind))
    ) == case_notice_texts.guaranteed_parameters(kind)


@pytest.mark.parametrize("kind", NOTICE_KINDS)
@pytest.mark.parametrize("of", [the_least, sample_notice], ids=["least", "most"])
def test_every_notice_has_a_subject_and_a_text_without_a_blank(kind, of):
    subject, texts = case_notice_texts.subject(of(kind)), lines(of(kind))
    whole = "\n".join([subject, *texts])
    assert "H42.20-20260609-0092637" in subject
    assert len(subject) <= 100
    assert texts[0] == "Kính gửi: Ông (Bà) Nguyễn Văn A***"
    assert ("Xem chi tiết tại" in texts[-1]) == (of is the_least), "a link has its own place"
    assert len(texts) >= 3
    assert not re.search(r"[{}<>]|\.\.|None|anh/chị", whole)
    assert unicodedata.is_normalized("NFC", whole)


SAID = {
    "1": ["lúc 08:30 ngày 09/06/2026", "chờ tiếp nhận"],
    "2": [
        "đã được tiếp nhận. Ngày hẹn trả kết quả: 30/06/2026.",
        "Trần Thị B",
        "Trung tâm Phục vụ",
    ],
    "3": [
        "không được tiếp nhận",
        "Lý do: Hồ sơ thiếu",
        "khiếu nại đến Sở Nội vụ tỉnh Ninh Bình hoặc khởi kiện tại Tòa án",
    ],
    "4": ["Sở Nội vụ tỉnh Ninh Bình giải quyết", "30/06/2026", "Lê Văn C"],
    "5": [
        "cần bổ sung giấy tờ, chậm nhất là ngày 20/06/2026.",
        "Bản sao quyết định; Giấy xác nhận",
        "Nộp bổ sung trên Cổng Dịch vụ công quốc gia",
    ],
    "6": [
        "cần nộp phí, lệ phí: 1.250.000\u00a0đồng.",
        "Nơi nộp: Bộ phận Một cửa.\nThư này chỉ báo tin, không kèm tài khoản nhận tiền.",
        "Phí, lệ phí chỉ nộp tại nơi nêu trên",
    ],
    "7": ["đã ghi nhận yêu cầu rút hồ sơ"],
    "8": [
        "đã dừng giải quyết hồ sơ",
        "Lý do: Hồ sơ thiếu",
        "khiếu nại đến",
        "khởi kiện tại Tòa án",
    ],
    "9": ["đã có kết quả", "Nơi nhận kết quả: Trung tâm Phục vụ"],
    "10": ["đã được trả cho Ông (Bà)", "đánh giá mức độ hài lòng"],
    APOLOGY: ["Sở Nội vụ tỉnh Ninh Bình xin lỗi Ông (Bà)", "Ngày hẹn mới: 14/07/2026."],
}


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_each_kind_says_what_it_is_for(kind):
    text = "\n".join(lines(sample_notice(kind)))
    assert [part for part in SAID[kind] if part not in text] == []


@pytest.mark.parametrize(
    ("applicant", "greeting", "spoken"),
    [
        ("citizen", "Kính gửi: Ông (Bà) X", "của Ông (Bà)"),
        ("business", "Kính gửi: Quý doanh nghiệp X", "của quý doanh nghiệp"),
        ("household", "Kính gửi: Quý hộ kinh doanh X", "của quý hộ kinh doanh"),
    ],
)
def test_whoever_applied_is_spoken_to_as_what_they_are(applicant, greeting, spoken):
    notice = sample_notice("2", applicant_kind=applicant, applicant_name="X")
    texts = lines(notice)
    assert texts[0] == greeting
    assert spoken in texts[1]


def test_what_a_person_typed_can_not_name_a_blank():
    notice = sample_notice("3", reason="thiếu {so_tien} và {0}")
    text = "\n".join(lines(notice))
    assert "Lý do: thiếu {so_tien} và {0}" in text


@pytest.mark.parametrize("kind", ["plain", "html"])
@pytest.mark.parametrize(("authority", "times"), [("Bộ Nội vụ", 1), ("Cục A thuộc Bộ Nội vụ", 2)])
def test_a_mail_names_whoever_speaks_and_its_link_once(kind, authority, times):
    notice = sample_notice("9", authority=authority, detail_url="https://dvc.example/h1")
    body = email_channel().render(notice).envelope(mail_recipient()).body
    said = body_text(without_dot_stuffing(body), kind)
    assert said.partition("Kính gửi")[0].count("Bộ Nội vụ") == times
    assert said.count("https://dvc.example/h1") == 1


# --- the sandbox's templates are what a real account would have approved


TEMPLATES = {kind: TemplateStore().templates[id] for kind, id in shipped_routes().items()}


@pytest.mark.parametrize("kind", NOTICE_KINDS)
def test_a_shipped_template_keeps_to_the_rules_of_zalos_templates(kind):
    template = TEMPLATES[kind]
    parts = template.text.split("\n")
    blanks = set(re.findall(r"<(\w+)>", template.text))
    assert 9 <= len(template.title) <= 65
    assert 10 <= len(template.name) <= 60
    assert 1 <= len(parts) <= 4
    assert all(9 <= len(part) <= 400 for part in parts)
    assert len(blanks) <= 10
    assert blanks <= case_notice_texts.guaranteed_parameters(kind)
    assert {"ma_ho_so", "ho_ten", "kinh_gui"} <= blanks, "somebody is named, and spoken to"
    assert sorted(blanks) == sorted(one.name for one in template.params)
    assert not re.search(r"https?:|www\.|\d{8,}|anh/chị|ông/bà", template.text)
    assert all(5 <= len(one["title"]) <= 30 for one in template.buttons)
    assert len(template.buttons) <= 2
    assert (template.tag, template.status) == ("TRANSACTION", "ENABLE")
