"""Office packages without the time at which they were made: the same parts, the same bytes."""

import io
import zipfile

_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def without_times(package: bytes) -> bytes:
    """The ZIP file with the same parts in the same order, each as of the first day of ZIP."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(package)) as source, zipfile.ZipFile(target, "w") as copy:
        for part in source.infolist():
            entry = zipfile.ZipInfo(part.filename, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            copy.writestr(entry, source.read(part))
    return target.getvalue()
