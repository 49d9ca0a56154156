"""The effects of an item's release: its readers, its times, its costs."""
