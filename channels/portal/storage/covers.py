"""Derivatives of covers in the public folder."""

from pathlib import Path

from channels.portal.model.cover import PICTURES_FOLDER, CoverPicture, cover_stem, find_picture
from contracts.publication import Publication


class CoverFiles:
    """Finds derivatives below *public*; without a folder there are none."""

    def __init__(self, public: Path | None = None) -> None:
        self._public = public

    def picture(self, publication: Publication) -> CoverPicture | None:
        """The derivatives of the item's cover; None while there are none."""
        stem = _stem(publication)
        return find_picture(stem, self._names(publication.content_id)) if stem else None

    def unused(self, publication: Publication) -> list[str]:
        """Paths of derivatives of covers that the item no longer has."""
        names = sorted(self._names(publication.content_id))
        folder, used = f"{PICTURES_FOLDER}/{publication.content_id}", _stem(publication)
        paths = [f"{folder}/{name}" for name in names]
        return [path for path in paths if not used or not path.startswith(f"{used}-")]

    def _names(self, content_id: str) -> list[str]:
        if self._public is None:
            return []
        try:
            folder = self._public / PICTURES_FOLDER / content_id
            return [file.name for file in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []


def _stem(publication: Publication) -> str:
    if publication.cover is None or publication.action == "withdrawn":
        return ""
    return cover_stem(publication.content_id, publication.cover.url)
