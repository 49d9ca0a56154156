"""Pictures in the body of an item's page: each has its place before it comes."""

import re

from markupsafe import Markup

from channels.portal.model.cover import size_in_path

_LINK_OR_PICTURE = re.compile(
    r'(?P<link><a [^>]*>.*?</a>)|<img src="(?P<src>[^"]*)"(?: alt="(?P<alt>[^"]*)")?[^>]*>',
    re.DOTALL,
)


def place_pictures(html: str) -> Markup:
    """Give pictures in sanitised *html* their size, where their name says it.

    The style sheet gives others a place of fixed shape; those lead to the whole picture.
    """
    return Markup(_LINK_OR_PICTURE.sub(_placed, html))  # noqa: S704 - the pieces are sanitised


def _placed(found: re.Match[str]) -> str:
    if found["link"]:
        return found[0]
    if size := size_in_path(found["src"]):
        return found[0].replace("<img ", f'<img width="{size[0]}" height="{size[1]}" ', 1)
    return f'<a href="{found["src"]}">{found[0]}</a>' if found["alt"] else found[0]
