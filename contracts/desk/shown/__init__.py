"""The state of an item that people are shown at a moment, by the times that its texts give."""
