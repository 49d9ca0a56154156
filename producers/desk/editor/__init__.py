"""The visual editor: pasting, import from Word, what was typed and not saved."""
