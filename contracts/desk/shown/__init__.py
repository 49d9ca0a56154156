"""What people are shown of an item at a moment, by the times that its texts give."""
