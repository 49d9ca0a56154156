"""Canonical form of web addresses, to tell whether two addresses lead to the same page.

The form is a key for comparing; it is never displayed or requested.
"""

import posixpath
import re
from collections.abc import Sequence
from urllib import parse

_TRACKING = re.compile(
    r"utm_.*|fbclid|gclid|dclid|yclid|msclkid|zarsrc|igshid|mc_[ce]id|_ga|_gl"
    r"|phpsessid|jsessionid|asp\.net_sessionid",
    re.IGNORECASE,
)
"""Query parameters that track the reader and do not select content."""

_RENAMED_HOSTS = {"dolab.gov.vn": "dolab.moha.gov.vn"}
"""Renamed hosts that answer under both names."""

_MINISTRY_HOST = re.compile(r"(?:.+\.)?moha\.gov\.vn")
_ARTICLE_FORMS = (
    # The ministry's portal has had four kinds of article addresses. The number is the article; the
    # words before it follow its title, and an article may be in several categories.
    (re.compile(r".*---oid(\d+)"), r"/tin-tuc/---oid\1"),
    (re.compile(r".*-d\d+-t(\d+)\.html"), r"/-d0-t\1.html"),
    (re.compile(r"/danh-muc/.*-(\d+)\.html"), r"/danh-muc/-\1.html"),
)
_SHAREPOINT = re.compile(r"/.*/pages/[^/]+\.aspx", re.IGNORECASE)
_DEFAULT_PORTS = ("80", "443")
_BYTES_ERRORS = "surrogateescape"
_MAX_QUERY_FIELDS = 100
_PATH_SAFE = "!$&'()*+,;=:@~-._"
_WWW_PREFIX = re.compile(r"^(?:www\.)+(?=[^.]+\.)")
HOST = re.compile(r"[a-z0-9_-][a-z0-9._-]*|[0-9a-f:.]+:[0-9a-f:.]*")


def canonical_url(url: str) -> str:
    """The canonical form of *url*; empty if it is no web address."""
    try:
        return _canonical_form(parse.urlsplit(url.strip()))
    except ValueError:
        return ""


def _canonical_form(parts: parse.SplitResult) -> str:
    """Like `canonical_url`. Raises ValueError for an unreadable host, port or query."""
    host = _canonical_host(parts)
    if parts.scheme.lower() not in ("http", "https") or not host:
        return ""
    path, query = _canonical_path(parts.path), _canonical_query(parts.query)
    if _MINISTRY_HOST.fullmatch(host.partition(":")[0]):
        path, query = _article_address(path, query)
    return f"https://{host}{path}" + (f"?{query}" if query else "")


def _canonical_host(parts: parse.SplitResult) -> str:
    """Host and port; a leading `www.` is ignored. Raises ValueError."""
    name = parts.hostname or ""
    if ":" not in name:
        spelt = name.rstrip(".").encode("idna").decode()
        name = _WWW_PREFIX.sub("", spelt.lower().rstrip("."))
    if not HOST.fullmatch(name):
        return ""
    name = _RENAMED_HOSTS.get(name, name)
    bracketed = f"[{name}]" if ":" in name else name
    port = str(parts.port or "")
    return bracketed if not port or port in _DEFAULT_PORTS else f"{bracketed}:{port}"


def _canonical_path(path: str) -> str:
    """One spelling of a path: no needless encoding, no dots, no final slash.

    Bytes of an old encoding stay as they are: decoded as UTF-8 they would all be equal.
    """
    within = "/".join(
        parse.quote(parse.unquote_to_bytes(part), safe=_PATH_SAFE) for part in path.split("/")
    )
    plain = re.sub("/{2,}", "/", within.partition(";jsessionid=")[0])
    normal = posixpath.normpath(plain) if plain else "/"
    return "" if normal in ("/", ".") else normal


def _canonical_query(query: str) -> str:
    """The relevant parameters, sorted; case is kept, because some sites depend on it.

    Raises ValueError for too many parameters.
    """
    pairs = parse.parse_qsl(
        query, keep_blank_values=True, errors=_BYTES_ERRORS, max_num_fields=_MAX_QUERY_FIELDS
    )
    return _encode_query(sorted(pair for pair in pairs if not _TRACKING.fullmatch(pair[0])))


def _encode_query(pairs: Sequence[tuple[str, str]]) -> str:
    return parse.urlencode(pairs, errors=_BYTES_ERRORS)


def _article_address(path: str, query: str) -> tuple[str, str]:
    """The ministry's article address reduced to the article's number, if it has one."""
    for form, same in _ARTICLE_FORMS:
        if form.fullmatch(path):
            return form.sub(same, path), ""
    number = dict(parse.parse_qsl(query, errors=_BYTES_ERRORS)).get("ItemID")
    if number and _SHAREPOINT.fullmatch(path):
        return path, _encode_query([("ItemID", number)])
    return path, query


def absolute_url(url: str, base: str) -> str:
    """*url* as an absolute ASCII URL for an event; empty for none or a broken one."""
    if not url.strip():
        return ""
    try:
        parts = parse.urlsplit(parse.urljoin(base, url.strip()))
        place = parts.netloc if parts.netloc.isascii() else _ascii_host(parts)
        return parse.quote(parts._replace(netloc=place).geturl(), safe="/!$&'()*+,:;=@~-._?#[]%")
    except ValueError:
        return ""


def _ascii_host(parts: parse.SplitResult) -> str:
    """A host name in IDNA form, with its port. Raises ValueError."""
    host = (parts.hostname or "").encode("idna").decode()
    return f"{host}:{parts.port}" if parts.port else host
