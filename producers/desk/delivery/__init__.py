"""Pages about an item's way to its readers: previews, dry run, live delivery."""
