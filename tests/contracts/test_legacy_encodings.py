"""VPS: read as Windows-1252 or Latin-1, it is recognised by name with what it would read."""

import unicodedata
from pathlib import Path

import pytest

from contracts import text
from contracts.text import legacy_encodings
from contracts.text.legacy_encodings import find_legacy

ROOT = Path(text.__file__).parents[2]
VPS = {
    0x02: "Ạ", 0x12: "Ộ", 0x1D: "Ữ", 0x80: "À", 0x86: "ọ", 0x87: "ỗ", 0x88: "Ă", 0x89: "ế",
    0x8A: "ề", 0x8B: "ể", 0x8C: "ệ", 0x8D: "Ắ", 0x90: "Ế", 0x9A: "ý", 0x9B: "ỷ", 0xA2: "ằ",
    0xA7: "ớ", 0xA9: "ờ", 0xAE: "ợ", 0xB6: "ộ", 0xC0: "ầ", 0xC3: "ấ", 0xC6: "ậ", 0xC7: "đ",
    0xCE: "ị", 0xD3: "ố", 0xD6: "ơ", 0xDC: "ư", 0xE4: "ả", 0xE5: "ạ", 0xE6: "ă", 0xE9: "é",
    0xF1: "Đ", 0xF8: "ụ", 0xFF: "ỳ",
}  # fmt: skip
"""Bytes and letters, as fonts and converters have them."""
VOWELS = "aăâeêioôơuưy"
TONES = ("", "\u0301", "\u0300", "\u0309", "\u0303", "\u0323")
FRENCH = """Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués
de raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.
Le goût sûr du maître d’œuvre : « ça », où qu’il soit. À Noël, l’école de Saint-Étienne a été très
naïve ; une douleur aiguë, dit-on. Ça, l’été, c’est du déjà vu : 20 °C, 5 € – rien de plus…"""
GERMAN = """Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft
und Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen. Grüße aus Köln, für
Mädchen; „Öl“, ‚Äpfel‘, Straße § 5, 20 °C, ½ Maß – ¼ Öre"""
NORDIC = """Alla människor är födda fria och lika i värde och rättigheter. Alle mennesker er født
frie. Rød grød med fløde på to år. São Paulo, coração, não há irmãos; el señor y el niño, ¿no?"""


def in_vps(written: str, codec: str) -> str:
    """Vietnamese in VPS, as a program shows it that takes the bytes for *codec*."""
    codes = {letter: byte for byte in range(256) if (letter := decoded_byte(byte))}
    raw = bytes(codes.get(letter) or ord(letter) for letter in written)
    return "".join(shown(byte, codec) for byte in raw)


def shown(byte: int, codec: str) -> str:
    try:
        return bytes([byte]).decode(codec)
    except UnicodeDecodeError:
        return chr(byte)


def decoded_byte(byte: int) -> str:
    letter = legacy_encodings._from_vps(chr(byte))
    return letter if letter != chr(byte) or byte >= 0x80 else ""


@pytest.mark.parametrize(("byte", "letter"), VPS.items())
def test_a_byte_of_vps_is_its_letter_in_both_readings(byte, letter):
    assert decoded_byte(byte) == letter
    for codec in ("cp1252", "latin-1"):
        assert in_vps(letter, codec) == shown(byte, codec)


def test_every_letter_of_vietnamese_has_one_byte():
    small = {unicodedata.normalize("NFC", vowel + tone) for vowel in VOWELS for tone in TONES}
    wanted = {*small, *(letter.upper() for letter in small), "đ", "Đ"}
    letters = [decoded_byte(byte) for byte in range(256)]
    assert [letter for letter in wanted if ord(letter) > 0x7F and letters.count(letter) != 1] == []


@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
@pytest.mark.parametrize(
    "reading",
    ["Bộ Nội vụ", "Thông báo tuyển dụng", "Quyết định", "Tin mới về bão số 9", "Lịch nghỉ lễ, tết"],
)
def test_vps_is_recognised_with_what_it_would_read(reading, codec):
    assert find_legacy(in_vps(reading, codec)) == ("VPS", reading)


@pytest.mark.parametrize("codec", ["cp1252", "latin-1"])
def test_vietnamese_of_the_repository_in_vps_is_recognised_and_read(codec):
    words = " ".join(file.read_text("utf-8") for file in (ROOT / "docs").glob("*.vi.md")).split()
    clean = [word for word in words if word.isalpha() and max(word) < "\u2000"]
    twelves = [clean[at : at + 12] for at in range(0, len(clean) - 12, 12)]
    pieces = [" ".join(words) for words in twelves if sum(map(str.isascii, words)) <= 4]
    assert len(pieces) > 300, "Vietnamese without English words between"
    found = [legacy_encodings._likeliest_reading(text.nfc(in_vps(one, codec))) for one in pieces]
    right = sum(one == ("VPS", piece) for one, piece in zip(found, pieces, strict=True))
    assert [one for one, piece in zip(found, pieces, strict=True) if one and one[0] != "VPS"] == []
    assert right / len(pieces) > 0.85


@pytest.mark.parametrize("source", [FRENCH, GERMAN, NORDIC], ids=["French", "German", "Nordic"])
def test_other_languages_are_taken_for_no_old_encoding(source):
    words = source.split()
    for length in (1, 4, 12, len(words)):
        for at in range(len(words) - length + 1):
            assert find_legacy(" ".join(words[at : at + length])) is None
