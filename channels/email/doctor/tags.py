"""Tag lists, as DKIM and DMARC records are written: `v=DMARC1; p=reject`."""


def tags(text: str) -> dict[str, str]:
    """Name → value, in order; a name that comes twice counts the first time."""
    found: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.strip():
            found.setdefault(name.strip().lower(), value.strip())
    return found
