"""Rules for an uploaded file: its content alone decides, not its name or type."""

import io
from pathlib import Path

import pytest
from PIL import Image

from consumers.uploads.file_checks import check_file
from consumers.uploads.file_checks.errors import FileRefused
from consumers.uploads.file_checks.kinds import check_content
from contracts.catalog import load_texts
from tests.support import uploaded_files as files
from tests.support.uploaded_files import link, object_stream, office, opendocument, package, pdf

BOMB = "package_unpacks_too_large"
SCRIPT = b"<</S/JavaScript/JS(app.alert(1))>>"
FIELD = '<w xmlns:w="w"><w:instrText>{}</w:instrText><w:r/><w:instrText>{}</w:instrText></w>'

ALLOWED = {
    "a PNG": (files.picture("PNG"), ".png"),
    "a JPEG": (files.picture("JPEG"), ".jpg"),
    "a GIF": (files.picture("GIF"), ".png"),
    "a WebP": (files.picture("WEBP"), ".jpg"),
    "a PDF": (pdf(), ".pdf"),
    "a PDF with an object stream": (pdf(objects={4: object_stream(b"<</Title(a)>>")}), ".pdf"),
    "a PDF with a word in a text": (
        pdf(objects={4: b"<</Title(HTML/JS \\(and\\) /Launch)>>"}),
        ".pdf",
    ),
    "a PDF with such bytes in a picture": (
        pdf(objects={4: b"<</Length 9>>\nstream\n /JS /XFA\nendstream"}),
        ".pdf",
    ),
    "a signed PDF": (pdf(b"/AcroForm<</SigFlags 3>>", {4: b"<</Type/Sig/Contents<00>>>"}), ".pdf"),
    "a text": (office("docx"), ".docx"),
    "a workbook": (office("xlsx"), ".xlsx"),
    "slides": (office("pptx"), ".pptx"),
    "a text with a link": (office(links=link("hyperlink", "https://moha.gov.vn")), ".docx"),
    "a text of the writer's own template": (
        office(links=link("attachedTemplate", "file:///C:/Mau/Cong-van.dotx")),
        ".docx",
    ),
    "a text with a chart": (office(parts={"word/embeddings/a.xlsx": office("xlsx")}), ".docx"),
    "an ODF text": (opendocument(), ".odt"),
    "an ODF sheet": (opendocument("spreadsheet"), ".ods"),
    "ODF slides": (opendocument("presentation"), ".odp"),
    "a text of 1997": (files.compound(files.WORD_97), ".doc"),
    "a workbook of 1997": (files.compound(files.workbook_97(files.sheet_record(0))), ".xls"),
}
REFUSED = {
    "nothing": (b"", "empty"),
    "an SVG": (b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>', "vector_picture"),
    "an SVG behind a head": (
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- --><svg/>",
        "vector_picture",
    ),
    "a page": (b"<!doctype html><script>alert(1)</script>", "web_page"),
    "a program": (files.PROGRAM, "program"),
    "a shell script": (b"#!/bin/sh\nrm -rf /", "program"),
    "an archive": (package({"a.txt": "a"}), "not_known"),
    "a RAR": (b"Rar!\x1a\x07\x00" + bytes(50), "archive"),
    "rich text": (b"{\\rtf1\\ansi{\\*\\ole}}", "rich_text"),
    "a text file": (b"abc", "not_known"),
    "a cut PNG": (files.picture()[:200], "picture_broken"),
    "a pixel bomb": (
        files.picture("PNG", (1, 1))[:16] + b"\0\0\xff\xff\0\0\xff\xff" + bytes(90),
        "picture_broken",
    ),
    "a tiny picture": (files.picture("PNG", (20, 20)), "picture_too_small"),
    "a PDF with a script": (pdf(b"/OpenAction" + SCRIPT), "pdf_script"),
    "a script in an escaped name": (pdf(b"/OpenAction<</S/J#61vaScript>>"), "pdf_script"),
    "a script in an object stream": (
        pdf(objects={4: object_stream(b"<</A 1>>", SCRIPT)}),
        "pdf_script",
    ),
    "a script in a plain object stream": (
        pdf(objects={4: object_stream(SCRIPT, entries=b"")}),
        "pdf_script",
    ),
    "a script behind an odd string": (
        pdf(
            objects={
                4: b"<</A(\\)()(()) /OpenAction" + SCRIPT + b")>>",
                5: b"<</A(\\\\)/B" + SCRIPT + b">>",
            }
        ),
        "pdf_script",
    ),
    "a script in an object that no table names": (
        pdf().replace(b"xref", b"9 0 obj" + SCRIPT + b"endobj\nxref", 1),
        "pdf_script",
    ),
    "an object stream of another filter": (
        pdf(objects={4: object_stream(SCRIPT, entries=b"/Filter/ASCIIHexDecode")}),
        "pdf_broken",
    ),
    "a PDF that starts a program": (pdf(b"/OpenAction<</S/Launch/F(cmd.exe)>>"), "pdf_action"),
    "a PDF with a file inside": (pdf(b"/Names<</EmbeddedFiles 4 0 R>>"), "pdf_file_inside"),
    "a PDF with a film": (pdf(objects={4: b"<</Subtype/RichMedia>>"}), "pdf_file_inside"),
    "a PDF that sends a form": (pdf(objects={4: b"<</S/SubmitForm/F(http://a)>>"}), "pdf_action"),
    "a PDF with a dynamic form": (pdf(b"/AcroForm<</XFA 4 0 R>>"), "pdf_form"),
    "an encrypted PDF": (pdf(trailer=b"/Encrypt 9 0 R"), "pdf_encrypted"),
    "a PDF and a ZIP": (pdf() + package({"a": "b"}), "pdf_broken"),
    "a ZIP that a PDF stands in": (package({"a.pdf": pdf()}), "not_known"),
    "a text that opens as a PDF": (
        files.behind(pdf(b"/OpenAction" + SCRIPT), office()),
        "pdf_in_front",
    ),
    "a sheet that opens as a PDF": (
        files.behind(pdf(), opendocument("spreadsheet")),
        "pdf_in_front",
    ),
    "a text of 1997 that opens as a PDF": (
        files.compound({"A": pdf()} | files.WORD_97),
        "pdf_in_front",
    ),
    "a cut PDF": (pdf()[:100], "pdf_broken"),
    "a PDF of objects that never end": (
        pdf(objects={4: b"<<" * 20_000 + b" obj <<" * 60_000}),
        "pdf_broken",
    ),
    "a text with macros": (
        office(parts={"word/vbaProject.bin": b"\xd0\xcf\x11\xe0" + bytes(90)}),
        "package_object",
    ),
    "a text of a kind for macros": (
        office(
            types='<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/>'
        ),
        "package_macro",
    ),
    "a sheet of old macros": (
        office("xlsx", links=link("xlMacrosheet", "a.xml", "")),
        "package_macro",
    ),
    "a text with a program": (office(parts={"word/media/a.png": files.PROGRAM}), "package_object"),
    "a text with a foreign template": (
        office(links=link("attachedTemplate", "https://a.b/x.dotm")),
        "package_link",
    ),
    "a text with a template of a share": (
        office(links=link("attachedTemplate", "file://a/x.dotm")),
        "package_link",
    ),
    "a text with a foreign picture": (
        office(links=link("image", "https://a.b/x.png")),
        "package_link",
    ),
    "a link to a share": (office(links=link("hyperlink", "\\\\a\\b")), "package_link"),
    "a link to a script": (office(links=link("hyperlink", "javascript:a()")), "package_link"),
    "a workbook that reads others": (
        office("xlsx", links=link("externalLink", "a.xml", "")),
        "package_link",
    ),
    "a field that starts programs": (office(body=FIELD.format(" DDE", "AUTO cmd")), "package_link"),
    "a field that loads": (
        office(body=FIELD.format(' INCLUDETEXT "', 'https://a.b"')),
        "package_link",
    ),
    "a text with entities": (
        office(body='<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        "package_entities",
    ),
    "a deep text": (office(body="<a>" * 300 + "</a>" * 300), "package_nested"),
    "a broken part": (office(body="<a>"), "package_broken"),
    "a name that leads out": (office(parts={"../a.txt": "a"}), "package_broken"),
    "a name twice": (office(parts={"WORD/document.xml": "<a/>"}), "package_broken"),
    "a text and more": (office() + b"<script>", "package_broken"),
    "macros in a chart": (
        office(
            parts={
                "word/embeddings/a.xlsx": office(
                    "xlsx", types='<Default ContentType="a.macroEnabled"/>'
                )
            }
        ),
        "package_macro",
    ),
    "ODF macros": (opendocument(parts={"Basic/script-lc.xml": "<a/>"}), "package_macro"),
    "an ODF event": (opendocument(body='<a><event-listener language="x"/></a>'), "package_macro"),
    "an ODF picture from elsewhere": (
        opendocument(body='<image href="https://a.b/c"/>'),
        "package_link",
    ),
    "an encrypted ODF": (
        opendocument(parts={"META-INF/manifest.xml": "<a><encryption-data/></a>"}),
        "package_encrypted",
    ),
    "a text of 1997 with macros": (
        files.compound(files.WORD_97 | {"Macros": b"", "VBA": b""}),
        "package_macro",
    ),
    "a text of 1997 with an object": (
        files.compound(files.WORD_97 | {"_1234567890": b""}),
        "package_object",
    ),
    "an encrypted text of 1997": (
        files.compound({"WordDocument": bytes(10) + b"\0\1" + bytes(5000)}),
        "package_encrypted",
    ),
    "a workbook of 1997 with macros": (
        files.compound(files.workbook_97(files.sheet_record(1))),
        "package_macro",
    ),
    "an encrypted workbook of 1997": (
        files.compound(files.workbook_97(b"\x2f\0\0\0")),
        "package_encrypted",
    ),
    "an encrypted text of today": (
        files.compound({"EncryptedPackage": bytes(9)}),
        "package_encrypted",
    ),
    "slides of 1997": (files.compound({"PowerPoint Document": bytes(9)}), "compound_other"),
    "a cut text of 1997": (files.compound(files.WORD_97)[:700], "compound_broken"),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_a_harmless_file_is_known_by_its_content(tmp_path, name):
    content, ending = ALLOWED[name]
    assert check_content(content, tmp_path / "drawn") == ending


@pytest.mark.parametrize("name", REFUSED)
def test_a_harmful_file_is_refused_by_name(tmp_path, name):
    content, code = REFUSED[name]
    assert refusal(content, tmp_path / "drawn") == code


def test_a_zip_bomb_is_refused(tmp_path):
    bomb = office(parts={"word/a.txt": bytes(101 << 20)})  # packed only here: it takes a second
    assert refusal(bomb, tmp_path / "drawn") == BOMB


def refusal(content, drawn):
    with pytest.raises(FileRefused) as refused:
        check_content(content, drawn)
    assert not drawn.exists()
    return refused.value.code


def test_every_refusal_has_its_words():
    catalog = load_texts(Path("consumers/uploads/texts.toml"))["refused"]
    assert {BOMB, *(code for _, code in REFUSED.values())} <= catalog.keys()


def test_a_picture_is_drawn_anew_without_place_and_what_lies_behind(tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "a camera of Lê Văn Tám", 6
    source = tmp_path / "a"
    hidden = b"<script>alert(1)</script>"
    source.write_bytes(files.picture("JPEG", (160, 120), exif=exif, comment=hidden) + hidden)
    checked = check_file(source)
    kept = checked.path.read_bytes()
    assert checked.ending == ".jpg" and hidden not in kept and "Tám".encode() not in kept
    drawn = Image.open(io.BytesIO(kept))
    assert drawn.size == (120, 160) and not drawn.getexif(), "upright, as the camera held it"


def test_a_file_that_takes_too_much_is_refused_and_ends_no_other(tmp_path, monkeypatch):
    monkeypatch.setattr("consumers.uploads.file_checks.check._WORKER", ("/bin/false",))
    source = tmp_path / "a"
    source.write_bytes(pdf())
    with pytest.raises(FileRefused, match="too_costly"):
        check_file(source)
