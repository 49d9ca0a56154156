"""Finding items by their words, `/tim`: a catalogue that the writer keeps, a page that asks it."""
