"""What the release of an item would do: whom it reaches, when it leaves, what it costs."""
