"""Styles of a mail's HTML: on its elements, and in its head as far as it has such elements."""

import re

from css_inline import CSSInliner

from channels.email.render.message import TEMPLATES
from design.tokens import with_values

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_SPACES = re.compile(r"\s*([{};:,+!])\s*")
_RULE = re.compile(r"([^{}@]+)(\{[^{}]*\})")
_PSEUDO_CLASS = re.compile(r":[a-z-]+")
_SELECTED_NAME = re.compile(r"\.?[a-z][a-z0-9]*")
_TAG = re.compile(r"<([a-z][a-z0-9]*)")
_CLASSES = re.compile(r'class="([^"]*)"')
_HEAD_END = "</head>"


def _compact(css: str) -> str:
    """*css* without comments and spaces that mean nothing."""
    return _SPACES.sub(r"\1", _COMMENT.sub("", css)).replace(";}", "}").strip()


def _css(name: str, scheme: str) -> str:
    return _compact(with_values((TEMPLATES / name).read_text("utf-8"), scheme))


_INLINER = CSSInliner(
    extra_css=_css("mail.css", "light"),
    keep_style_tags=False,
    load_remote_stylesheets=False,
    minify_css=True,
)
_HEAD = _css("mail_head.css", "light") + _css("mail_screen.css", "dark")


def set_styles(html: str) -> str:
    """*html* with its styles."""
    head = f"<style>{_used_rules(_HEAD, html)}</style>{_HEAD_END}"
    return _INLINER.inline(html).replace(_HEAD_END, head, 1)


def _used_rules(css: str, html: str) -> str:
    """Compact *css* without selectors that name an element or a class that *html* lacks."""
    classes = {f".{name}" for names in _CLASSES.findall(html) for name in names.split()}
    present = {*_TAG.findall(html)} | classes

    def keep_used(rule: re.Match[str]) -> str:
        used = [one for one in rule[1].split(",") if _selected_names(one) <= present]
        return ",".join(used) + rule[2] if used else ""

    return _RULE.sub(keep_used, css)


def _selected_names(selector: str) -> set[str]:
    return {*_SELECTED_NAME.findall(_PSEUDO_CLASS.sub("", selector))}
