"""The fonts that documents for print are set in; licence: OFL.txt."""

from pathlib import Path

FONT_FOLDER = Path(__file__).parent
