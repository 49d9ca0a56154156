"""Characters of a text that Markdown would read as signs, escaped."""

import re

_BLANKS = re.compile("[ \t\r\n\f\u00a0]+")
_NO_BREAK = "\u00a0"
_SIGN = re.compile(r"([\\`*_\[\]<>|])")
_REFERENCE = re.compile(r"&(?=#?\w+;|$)")
_LINE_START = re.compile(r"(#{1,6}(?=\s|$)|[-+](?=\s|$)|=+\s*$|:?-+:?\s*$|~{3,})")
_NUMBER = re.compile(r"(\d{1,9})([.)])(?=\s|$)")
_PARENTHESIS = re.compile(r"[()]|^$")
_UNSAFE_IN_URL = str.maketrans(
    {"<": "%3C", ">": "%3E", " ": "%20", "\\": "%5C", "\n": "", "\r": "", "\t": ""}
)


def plain(text: str | None) -> str:
    """A text as a browser shows it: runs of blanks as one; a single no-break space stays."""
    return _BLANKS.sub(lambda run: _NO_BREAK if run[0] == _NO_BREAK else " ", text or "")


def escape(text: str) -> str:
    """Escape the signs that count anywhere in a line."""
    return _REFERENCE.sub(r"\&", _SIGN.sub(r"\\\1", text))


def escape_line_start(line: str) -> str:
    """Escape what would begin a heading, list, rule, fence or underline."""
    return _NUMBER.sub(r"\1\\\2", line, count=1) if _NUMBER.match(line) else _escape_mark(line)


def _escape_mark(line: str) -> str:
    return "\\" + line if _LINE_START.match(line) else line


def escape_url(url: str) -> str:
    """A link's address, in angle brackets where parentheses might end it."""
    literal = _REFERENCE.sub("&amp;", url.translate(_UNSAFE_IN_URL))
    return f"<{literal}>" if _PARENTHESIS.search(literal) else literal
