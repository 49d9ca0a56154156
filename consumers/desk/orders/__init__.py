"""Orders on items, given at the desk's pages or at the terminal: the right that each takes, and
its way into the editorial log."""
