"""The portal's catalogue of Vietnamese texts: `texts.toml`, and the names of media types."""

from pathlib import Path

from channels.file_note import MEDIA_NAMES
from contracts.catalog import load_texts

TEXTS = load_texts(Path(__file__).with_name("texts.toml")) | {"media": MEDIA_NAMES}


def catalog_text(section: str, key: str, **values: str) -> str:
    """One text of the catalogue with its placeholders filled. Raises KeyError."""
    text: str = TEXTS[section][key]
    return text.format(**values) if values else text
