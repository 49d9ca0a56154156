"""The programs that the bench needs beside Loa, and what to install when one is missing."""

import shutil

PATH = "/usr/sbin:/usr/lib/postfix/sbin"
MISSING = """\
{name} is missing. Install Debian's package postfix (nothing of it needs to run):
Thiếu {name}. Hãy cài gói postfix của Debian (không cần chạy dịch vụ nào):
    apt install --no-install-recommends postfix"""


class Missing(Exception):
    """A program is not installed; the text says what to install, in English and Vietnamese."""


def tool(name: str) -> str:
    """Where *name* is. Raises Missing."""
    found = shutil.which(name) or shutil.which(name, path=PATH)
    if found is None:
        raise Missing(MISSING.format(name=name))
    return found
