"""Hostile, damaged and foreign files are refused by name, in both languages, within limits."""

import zipfile

import pytest
from docx.opc.constants import RELATIONSHIP_TYPE as RT

from contracts.errors import Invalid
from producers.word import convert, convert_document, limits
from producers.word.errors import DocumentRefused
from producers.word.read import read_document
from tests.support.word_documents import MAIN, paragraph, repacked, run, with_body

RELATIONS = "word/_rels/document.xml.rels"
WORDS = paragraph(run("Thông báo"))
PLAIN = with_body(WORDS)
COMPOUND = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)
ENTITIES = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 9))
BOMB = f'<!DOCTYPE x [<!ENTITY e0 "aaaaaaaaaa">{ENTITIES}]><w:document'


def edited(old: str, new: str) -> bytes:
    return repacked(PLAIN, {MAIN: lambda part: part.replace(old.encode(), new.encode(), 1)})


def in_body(element: str) -> bytes:
    return edited("<w:body>", f"<w:body>{element}")


def table(rows: int, columns: int) -> bytes:
    row = f"<w:tr>{f'<w:tc>{WORDS}</w:tc>' * columns}</w:tr>"
    return in_body(f"<w:tbl>{row * rows}</w:tbl>")


def in_utf16(part: bytes) -> bytes:
    text = part.decode().replace("UTF-8", "UTF-16").replace("<w:document", BOMB, 1)
    return text.encode("utf-16")


def nested(levels: int) -> bytes:
    return in_body("<w:sdt><w:sdtContent>" * levels + WORDS + "</w:sdtContent></w:sdt>" * levels)


REFUSED = {
    "empty": (b"", "not_docx"),
    "text": (b"Xin ch\xc3\xa0o", "not_docx"),
    "truncated": (PLAIN[: len(PLAIN) // 2], "not_docx"),
    "spreadsheet": (repacked(PLAIN, {MAIN: lambda _: b"<workbook/>"}), "not_docx"),
    "bzip2": (repacked(PLAIN, compression=zipfile.ZIP_BZIP2), "not_docx"),
    "old format": (COMPOUND, "old_format"),
    "encrypted": (COMPOUND + "EncryptedPackage".encode("utf-16-le"), "encrypted"),
    "damaged part": (repacked(PLAIN, {MAIN: lambda part: part[:500]}), "broken_part"),
    "zip bomb": (edited("Thông báo", "x" * 30_000_000), "unpacks_too_large"),
    "entity bomb": (edited("<w:document", BOMB), "declares_entities"),
    "entity bomb in UTF-16": (repacked(PLAIN, {MAIN: in_utf16}), "declares_entities"),
    "outside entity": (
        edited("<w:document", '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><w:document'),
        "declares_entities",
    ),
    "entities in a part that is not read": (
        repacked(PLAIN, added={"word/x.xml": b"<!DOCTYPE x []><x/>"}),
        "declares_entities",
    ),
    "deep": (nested(3000), "too_nested"),
    "parts": (repacked(PLAIN, added={f"x{n}": b"" for n in range(1000)}), "too_many_parts"),
    "wide table": (table(1, 51), "table_too_large"),
    "long table": (table(260, 20), "table_too_large"),
    "large file": (bytes(limits.FILE_MAX + 1), "too_large"),
    "no words": (with_body(), "no_words"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_is_refused_for_what_is_wrong_with_it(name):
    data, code = REFUSED[name]
    with pytest.raises(DocumentRefused) as refused:
        read_document(data)
    assert refused.value.code == code


def test_the_refusal_names_the_file_in_both_languages():
    with pytest.raises(Invalid) as refused:
        convert_document("thong-bao.docx", nested(60))
    (error,) = refused.value.errors
    assert (error.field, MAIN in error.message, MAIN in error.message_vi) == (
        *("thong-bao.docx", True, True),
    )
    assert error.message != error.message_vi


def test_as_deep_as_allowed_is_read():
    """In the worker, whose stack is deep enough for it."""
    assert convert_document("a.docx", nested(44)).markdown == "Thông báo\n\nThông báo\n"


def test_a_part_named_twice_is_read_as_it_was_checked():
    with pytest.warns(UserWarning, match="Duplicate"):
        data = repacked(PLAIN, added={MAIN: b"<!DOCTYPE x []><x/>"})
    with pytest.raises(DocumentRefused, match="declares_entities"):
        read_document(data)


def test_files_outside_are_not_read(tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"SECRET")
    blip = '<w:r><w:drawing><wp:inline><a:blip r:link="rIdX"/></wp:inline></w:drawing></w:r>'
    target = f'Target="{secret.as_uri()}" TargetMode="External"'
    relation = f'<Relationship Id="rIdX" Type="{RT.IMAGE}" {target}/></Relationships>'.encode()
    data = repacked(
        with_body(paragraph(run("Trước"), blip)),
        {RELATIONS: lambda part: part.replace(b"</Relationships>", relation)},
    )
    assert convert_document("a.docx", data).markdown == "Trước\n"


@pytest.mark.parametrize("name", ["CPU_S", "MEMORY_MAX"])
def test_a_worker_that_meets_its_limits_refuses_the_file(name, monkeypatch):
    """The worker of a copy of the limits, in which one is too small for any document."""
    script = (
        f"from producers.word import limits; limits.{name} = {1 if name == 'CPU_S' else 40 << 20}; "
        "import producers.word.worker as worker; worker.main()"
    )
    monkeypatch.setattr(convert, "_WORKER", (*convert._WORKER[:2], "-c", script))
    with pytest.raises(Invalid, match="takes more than"):
        convert_document("a.docx", in_body(WORDS * 30_000))


def test_the_worker_gets_no_environment(monkeypatch):
    monkeypatch.setenv("LOA_SECRET", "x")
    script = "import json, os; print(json.dumps({'markdown': ' '.join(os.environ), 'lost': {}}))"
    monkeypatch.setattr(convert, "_WORKER", (*convert._WORKER[:2], "-c", script))
    assert "LOA_SECRET" not in convert_document("a.docx", b"").markdown
