"""An emblem that pages can't show, and a text that misleads its readers, are refused."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from channels.email.settings import EmailSettings
from consumers.app.settings import read_settings
from contracts.errors import FieldError, Invalid
from design.settings import SiteSettings

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><circle r="1"/></svg>'
_EDITORS_SVG = (
    '<?xml version="1.0" encoding="utf-8"?>'
    '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/1.1.dtd" ['
    '<!ENTITY ns_svg "http://www.w3.org/2000/svg">]><svg xmlns="&ns_svg;"/>'
)
"""As drawing programs write it."""


def picture(kind: str) -> bytes:
    file = BytesIO()
    Image.new("RGBA", (4, 4)).save(file, kind)
    return file.getvalue()


def refusal(monkeypatch, variable: str, value: Path | str, settings=SiteSettings) -> FieldError:
    """The one error, which names the variable and speaks both languages."""
    monkeypatch.setenv(variable, str(value))
    with pytest.raises(Invalid) as refused:
        read_settings(settings)
    [error] = refused.value.errors
    assert error.field == variable
    assert error.message != error.message_vi
    return error


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("quoc-huy.css", b"a { color: red }"),
        ("quoc-huy.png", "Quốc huy".encode()),
        ("quoc-huy.png", picture("PNG")[:45]),
        ("quoc-huy.webp", b""),
        ("quoc-huy.webp", picture("WEBP")[:20]),
        ("quoc-huy.svg", b""),
        ("quoc-huy.svg", b"<html><body>404</body></html>"),
        ("quoc-huy.svg", _SVG[:-4].encode()),
    ],
)
def test_an_emblem_that_no_page_can_show_is_refused(monkeypatch, tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    said = refusal(monkeypatch, "LOA_SITE_EMBLEM_FILE", tmp_path / name)
    assert all(".svg, .png" in text for text in (said.message, said.message_vi))


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("quoc-huy.SVG", _SVG.encode()),
        ("quoc-huy.svg", _EDITORS_SVG.encode()),
        ("quoc-huy.svg", _SVG.encode("utf-16")),
        ("quoc-huy.png", picture("PNG")),
        ("quoc-huy.webp", picture("WEBP")),
        ("quoc-huy.png", picture("WEBP")),
        ("quoc-huy.png", picture("PNG") + bytes(300_000)),
    ],
)
def test_a_picture_that_browsers_show_is_an_emblem(monkeypatch, tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    monkeypatch.setenv("LOA_SITE_EMBLEM_FILE", str(tmp_path / name))
    assert read_settings(SiteSettings).emblem_file == tmp_path / name


TURNED = "Giấy phép \u202e12"
SHOWN = {
    SiteSettings: {
        "LOA_SITE_RESPONSIBLE": TURNED,
        "LOA_SITE_LICENCE": TURNED,
        "LOA_SITE_PRESS": TURNED,
        "LOA_SITE_EMAIL": "a\u202eb@moha.gov.vn",
        "LOA_SITE_MINISTRY_URL": "https://moha.gov.vn/\u202eb",
        "LOA_EMAIL_POSTAL_ADDRESS": TURNED,
    },
    EmailSettings: {
        "LOA_EMAIL_FROM": f"{TURNED} <a@moha.gov.vn>",
        "LOA_EMAIL_REPLY_TO": f"{TURNED} <a@moha.gov.vn>",
        "LOA_EMAIL_POSTAL_ADDRESS": TURNED,
        "LOA_SITE_PHONE": TURNED,
        "LOA_SITE_EMAIL": "a\u202eb@moha.gov.vn",
    },
}
"""Settings that readers of pages and of mails see."""


@pytest.mark.parametrize(
    ("settings", "variable"), [(of, name) for of, names in SHOWN.items() for name in names]
)
def test_a_text_whose_order_of_reading_is_turned_is_refused(monkeypatch, settings, variable):
    said = refusal(monkeypatch, variable, SHOWN[settings][variable], settings)
    assert "U+202E" in said.message and "U+202E" in said.message_vi


def test_an_address_that_is_too_long_is_refused_under_its_own_name(monkeypatch):
    assert refusal(monkeypatch, "LOA_EMAIL_POSTAL_ADDRESS", "Hà Nội " * 40)
