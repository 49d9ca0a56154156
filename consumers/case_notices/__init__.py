"""Case notices: one person is told that a dossier has changed, on one channel after the other."""
