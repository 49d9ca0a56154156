"""Case notices: from a dossier's event to its one person, on one channel after the other."""
