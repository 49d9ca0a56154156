"""The parts of the bench; each runs alone and says what it found."""
