"""The official line names an address; without one a page does not call itself official."""

from pathlib import Path

import pytest
from lxml.html import fromstring

from design.frame import Frame, page_environment


def official_line(public_url: str, templates: Path) -> list[str]:
    """The official lines of the bare frame."""
    frame = Frame(lambda asset: asset.name, public_url=public_url)
    page = page_environment(templates, frame).get_template("page.html").render()
    return [line.text_content() for line in fromstring(page).find_class("official")]


def test_a_page_with_an_address_names_it(tmp_path):
    [said] = official_line("https://tin.example.gov.vn/tin", tmp_path)
    assert said.count("tin.example.gov.vn") == 2


@pytest.mark.parametrize("url", ["", "/tin"])
def test_a_page_without_an_address_does_not_call_itself_official(tmp_path, url):
    assert official_line(url, tmp_path) == []
