"""The style sheet that shows the urgent item on every page, so that no page is written anew.

Pages have a hidden link to the band of the home page; the sheet shows it and adds the title. Its
bytes are ASCII: right under any charset of a web server.
"""

from channels.portal.model.texts import catalog_text

_RULES = """@media screen {{
.urgent-line {{ display: block; }}
.urgent-line a::after {{ content: {text}; }}
}}
"""


def urgent_sheet(title: str, others: int) -> bytes:
    """The sheet for the newest urgent item and the number of *others*; empty without a title."""
    if not title:
        return b""
    name = "urgent_and_others" if others else "urgent_line"
    text = catalog_text("shelf", name, title=title, others=str(others))
    return _RULES.format(text=_css_string(text)).encode("ascii")


def _css_string(text: str) -> str:
    """*text* as a string of CSS: all but ASCII letters and digits is escaped."""
    plain = (char if char.isascii() and char.isalnum() else f"\\{ord(char):x} " for char in text)
    return f'"{"".join(plain)}"'
