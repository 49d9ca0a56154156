"""Texts damaged before they were sent: UTF-8 misread is refused, lost letters are warned of."""

import unicodedata
from functools import partial
from pathlib import Path
from random import Random

import pytest

import contracts
from contracts import damaged_text, events, publication
from contracts.damaged_text import damage_errors, damage_warnings
from contracts.errors import Invalid, check_line
from contracts.subscriptions.subscriber import Subscriber
from contracts.testing import ContractBroken, check_event, sample
from contracts.text import legacy_encodings, lost_marks, misread_utf8
from tests.contracts.test_legacy_encodings import FRENCH, GERMAN, NORDIC, in_vps
from tests.support.minimal_event import a_publication

ROOT = Path(contracts.__file__).parents[1]
ENGLISH = """“Don’t wait” – the Ministry’s 2027 plan… costs 5 € (£4½), is 20 °C warm; a café’s
façade, A/B (section §5a), see https://moha.gov.vn/tin?id=1&copy=2, R&D, O'Neil, x^2 + y^2,
C++ a+b?"""
VIETNAMESE = """Chiều nay, «Chiếc lá»… của “UBND XÃ” được tặng; CẤP XÃ–huyện, THỊ XÃ… XÃ\u00a0HỘI,
cấp XÃ² và “LÂU ĐÀI CỔ LOÀ”, Đăk Lăk ® 20 °C, «lá»¹ và «má»², KÌ» (theo «HỌC KÌ»), giá 5 ₫
– 10 ₫."""
LEGACY = {
    "B¶ N¶i vø": "Bộ Nội vụ",
    "Bé Néi vô": "Bộ Nội vụ",
    "Boä Noäi vuï": "Bộ Nội vụ",
    "Th«ng b¸o tuyÓn dông": "Thông báo tuyển dụng",
}
SENT = [
    "Thông báo tuyển dụng",
    "Bộ Nội vụ",
    "Bộ",
    "là",
    "Tổ chức số",
    "THÔNG BÁO TUYỂN DỤNG",
    "Nghị định “về” Đà Nẵng – 20 °C",
    "Quyết định số 12/QĐ-BNV",
    "République française: l’été",
    "Don’t miss the Musée’s opening",
]


def in_cp1252(text):
    """Text that a program shows for the UTF-8 of *text* taken for Windows-1252, as browsers do."""
    return "".join(bytes([byte]).decode("cp1252", "ignore") or chr(byte) for byte in text.encode())


def in_latin_1(text):
    return text.encode().decode("latin-1")


MISREAD = {
    "Windows-1252": in_cp1252,
    "Latin-1": in_latin_1,
    "Windows-1252 twice": lambda text: in_cp1252(in_cp1252(text)),
    "Latin-1 twice": lambda text: in_latin_1(in_latin_1(text)),
    "decomposed": lambda text: in_cp1252(unicodedata.normalize("NFD", text)),
}


def refusal(kind="submitted", **changes):
    with pytest.raises(ContractBroken) as caught:
        check_event(sample(kind, **changes))
    return {error.field: error.message for error in caught.value.errors}


def warnings(**changes):
    content = check_event(sample(**changes))
    return [(one.field, one.code) for one in events.find_warnings(content)]


@pytest.mark.parametrize("way", MISREAD)
@pytest.mark.parametrize("text", SENT)
def test_misread_utf8_is_refused_with_what_it_would_read(text, way):
    broken = MISREAD[way](text)
    said = refusal(title=broken, body=f"# A\n\n{broken}\n")
    assert said.keys() == {"data.title", "data.body"}
    assert "Windows-1252" in said["data.title"] or "ISO-8859-1" in said["data.title"]
    assert f"“{text}”" in said["data.title"] and text in said["data.body"]


def test_a_misread_text_is_named_wherever_it_is():
    link = {"url": "https://moha.gov.vn/a", "title": in_cp1252("Quyết định")}
    said = refusal(links=[link], summary=in_cp1252("Tóm tắt"))
    assert said.keys() == {"data.links.0.title", "data.summary"}
    assert (
        "Tin mới: Thông báo tuyển"
        in refusal(title=f"Tin mới: {in_cp1252('Thông báo tuyển')}")["data.title"]
    )


@pytest.mark.parametrize("text", [in_cp1252("Thông báo tuyển dụng"), *LEGACY])
def test_what_an_earlier_version_has_taken_stays_readable(text):
    """As stored: without the check of what is written today."""
    texts = {"title": text, "short_title": text, "body": text, "reason": text}
    kept = a_publication().model_copy(update=texts)
    assert publication.decode(publication.encode(kept)) == kept
    reader = Subscriber(id="an", email="an@example.com").model_copy(update={"name": text})
    assert Subscriber.model_validate_json(reader.model_dump_json()) == reader


@pytest.mark.parametrize(("text", "reading"), LEGACY.items())
@pytest.mark.parametrize("kind", ["submitted", "corrected"])
def test_an_old_encoding_is_refused_at_the_doors_by_name(kind, text, reading):
    link = {"url": "https://moha.gov.vn/a", "title": text}
    said = refusal(kind, title=text, summary=text, body=text, author=text, links=[link])
    fields = ["title", "summary", "author", "links.0.title", "body"]
    assert sorted(said) == sorted(f"data.{name}" for name in fields)
    assert {"old Vietnamese encoding" in message for message in said.values()} == {True}
    assert all(f"“{reading}”" in message for message in said.values())


def test_an_old_encoding_is_named_before_its_single_characters():
    broken = "B\u00b6\u0080 N\u00b6i v\u00f8"
    assert "VPS" in refusal(title=in_vps("Bộ Nội vụ Ạ À", "latin-1"))["data.title"]
    assert refusal(title=broken).keys() == {"data.title"}


@pytest.mark.parametrize("text", ["Bé Néi vô", in_cp1252("Thông báo")])
def test_an_unknown_field_is_called_that_whatever_it_holds(text):
    assert "title" in refusal(titel=text)["data.titel"]


@pytest.mark.parametrize("text", [*LEGACY, in_cp1252("Thông báo")])
def test_a_line_that_a_person_types_is_judged_in_the_same_way(text):
    with pytest.raises(Invalid) as caught:
        check_line("name", text, 150)
    expected = refusal(title=text)["data.title"]
    assert [(one.field, one.message) for one in caught.value.errors] == [("name", expected)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Th?ng b?o tuy?n d?ng", "marks_lost"),
        ("Th?ng b?o c?a Bộ", "marks_lost"),
        ("Th&ocirc;ng b&aacute;o", "html_entity"),
        ("Th&#244;ng b&#xE1;o", "html_entity"),
        ("Tho^ng ba'o tuye^?n du.ng", "viqr"),
        ("Bo^. No^.i vu.", "viqr"),
        ("Hướng dẫn sửa lỗi hiện chữ “ThÃ´ng bÃ¡o” thay cho dấu", "misread_words"),
    ],
)
def test_what_may_be_damaged_is_taken_with_a_warning(text, code):
    assert warnings(title=text) == [("data.title", code)]
    assert warnings(body=text) == ([] if code == "html_entity" else [("data.body", code)])


def test_an_entity_has_digits_0_to_9_alone():
    [found] = lost_marks.find_lost_marks("&#٤٥;" + "a" * 5000 + "&ocirc;", is_markdown=False)
    assert found.word == "&ocirc;"


def test_a_warning_shows_the_word_and_its_reading_in_both_languages():
    [viqr] = events.find_warnings(check_event(sample(title="Tho^ng ba'o tuye^?n du.ng")))
    [entity] = events.find_warnings(check_event(sample(title="Th&ocirc;ng")))
    for one, texts in ((viqr, ("“Tho^ng”", "“Thông”")), (entity, ("“&ocirc;”", "“ô”"))):
        assert all(text in one.message and text in one.message_vi for text in texts)


def pieces(text):
    """All words of *text* alone, in fours, and in dozens."""
    words = text.split()
    for length in (1, 4, 12, len(words)):
        for at in range(0, len(words) - length + 1, max(1, length // 2)):
            yield " ".join(words[at : at + length])


@pytest.mark.parametrize(
    "text",
    [ENGLISH, VIETNAMESE, FRENCH, GERMAN, NORDIC],
    ids=["English", "Vietnamese", "French", "German", "Nordic"],
)
def test_correct_texts_are_neither_refused_nor_warned_of(text):
    assert [one for piece in pieces(text) for one in found(piece)] == []


def test_texts_of_the_repository_are_not_refused():
    """Pages and catalogues in both languages, each whole paragraph and each line."""
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *ROOT.glob("c*/**/*.toml")]
    texts = [part for file in files for part in file.read_text("utf-8").split("\n")]
    assert len(texts) > 5000
    assert [text for text in texts if refused(text)] == []


VOWELS = "aăâeêioôơuưy"
LETTERS = [
    unicodedata.normalize("NFC", vowel + tone)
    for vowel in VOWELS
    for tone in ("", "\u0301", "\u0300", "\u0309", "\u0303", "\u0323")
]
LETTERS += ["é", "ç", "œ", "ï"]
OPENING = ["", "", "“", "«", "‘", "„", "(", "–"]
CLOSING = ["", "", "”", "»", "’", "…", "»…", "»”", "”…", "¹", "»²", "–", "\u00a0"]
CASES = [str.lower, str.upper, str.capitalize]


def sentence(chance):
    """Words of Vietnamese and French letters between signs, as *chance* has them."""
    words = (
        chance.choice(["", "b", "đ", "kh", "ngh", "x"])
        + chance.choice(LETTERS)
        + chance.choice(["", "n", "ng", "i"])
        for _ in range(chance.randrange(12))
    )
    quoted = [
        chance.choice(OPENING) + chance.choice(CASES)(word) + chance.choice(CLOSING)
        for word in words
    ]
    return chance.choice([" ", "\u00a0", "–", " – "]).join(quoted)


def test_no_correct_text_is_taken_for_misread():
    chance = Random(2027)
    sentences = [sentence(chance) for _ in range(10_000)]
    found = map(misread_utf8.find_misread, sentences)
    assert [one for one in found if one and one.is_most] == []


@pytest.mark.parametrize("text", ["“CẤP\u00a0XÃ”", "CẤP–XÃ”", "LÁ THƯ\u00a0Ã”", "L’XÃ”"])
def test_a_capital_before_a_closing_sign_is_no_misread_letter(text):
    assert refused(text) == []


@pytest.mark.parametrize("evil", ["aÃ´ ", "Ã´", "Ã´\u00a0", "o^'a ", "é b?b ", "&abc; "])
def test_a_long_text_costs_no_more_words_than_a_short_one(evil, monkeypatch):
    """The door judges texts on its event loop: of 100,000 characters it looks at few."""
    judged = [0, 0]
    for number, length in enumerate((10_000, 100_000)):
        for module in (misread_utf8, lost_marks):
            is_syllable = partial(counted, judged, number)
            monkeypatch.setattr(module, "is_syllable", is_syllable)
        found((evil * length)[:length])
    assert judged[0] == judged[1] <= 5000


def test_of_more_texts_than_an_event_has_few_are_judged(monkeypatch):
    judged = []
    monkeypatch.setattr(damaged_text, "damage_error", lambda field, text: judged.append(field))
    links = [{"url": "https://moha.gov.vn/", "title": "Bé Néi"} for _ in range(20_000)]
    assert list(damage_errors({"links": links})) == []
    assert 48 <= len(judged) < 100, "a title, a summary, ..., and 40 links and attachments"


def counted(judged, number, word):
    judged[number] += len(word)
    return legacy_encodings.is_syllable(word)


def test_what_is_misread_deep_in_a_long_text_is_found():
    long = "Quyết định về CẤP XÃ HỘI. " * 3000 + in_cp1252("Thông báo tuyển dụng. " * 200)
    assert [one.code for one in damage_warnings({"title": long})] == []
    assert refused("Quyết định về thủ tục. " * 3000 + in_cp1252("Thông báo tuyển dụng. " * 200))


def refused(text):
    return list(damage_errors({"body": text}))


def found(text):
    return [*refused(text), *damage_warnings({"title": text})]


def test_the_sender_of_a_case_event_is_warned_too():
    content = check_event(sample("updated"))
    damaged = content.model_copy(update={"procedure_name": "C?p gi?y ph?p"})
    assert [one.field for one in events.find_warnings(damaged)] == ["data.procedure_name"]
