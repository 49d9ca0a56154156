"""Texts are written into templates where these are compiled."""

import pytest
from jinja2 import DictLoader, UndefinedError

from design.frame import Frame, page_environment

TEXTS = {"list": {"title": "Tin & bài", "count": "{} tin", "items": "Mục"}, "names": {"a": "Á"}}


def rendered(source, tmp_path, **values):
    environment = page_environment(tmp_path, Frame(lambda asset: asset.name), texts=TEXTS)
    environment.loader = DictLoader(
        {"page": source, "other": "{% macro say(it) %}{{ it }}{% endmacro %}"}
    )
    compiled = environment.compile(source, raw=True)
    return environment.get_template("page").render(values), compiled


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ texts.list.title }}", "Tin &amp; bài"),
        ('{{ texts["list"]["title"] }}', "Tin &amp; bài"),
        ("{{ texts.list.count.format(3) }}", "3 tin"),
        ("{{ texts.list.title ~ 1 }}", "Tin &amp; bài1"),
        ('{% from "other" import say %}{{ say(texts.list.title) }}', "Tin &amp; bài"),
        ("{% if texts.list.title %}{{ texts.list.title }}{% endif %}", "Tin &amp; bài"),
    ],
)
def test_a_text_is_written_into_the_template_and_escaped(tmp_path, source, shown):
    page, compiled = rendered(source, tmp_path)
    assert page == shown
    assert "'texts'" not in compiled


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ texts.names[key] }}", "Á"),
        ("{{ texts.names|length }}", "1"),
        ("{% for key, one in texts.names.items() %}{{ key }}{{ one }}{% endfor %}", "aÁ"),
        (
            "{% for texts in [{'list': {'title': 'own'}}] %}{{ texts.list.title }}{% endfor %}",
            "own",
        ),
        (
            "{% macro m(texts) %}{{ texts.list.title }}{% endmacro %}{{ m(own.texts) }}",
            "7",
        ),
        ("{{ own.texts.list.title }}", "7"),
    ],
)
def test_what_differs_from_page_to_page_is_looked_up(tmp_path, source, shown):
    page, _ = rendered(source, tmp_path, key="a", own={"texts": {"list": {"title": 7}}})
    assert page == shown


def test_a_text_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(UndefinedError):
        rendered("{{ texts.list.other }}", tmp_path)


def test_texts_of_the_frame_are_written_too(tmp_path):
    page, compiled = rendered("{{ frame.text.error }}", tmp_path)
    assert page
    assert "'frame'" not in compiled
