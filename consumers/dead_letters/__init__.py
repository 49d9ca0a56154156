"""Dead letters: messages that could not be processed, whole, with reason and origin.

A letter stays in its stream for ever; what became of it is a history beside it (bucket `control`,
key `dead.<id>`), so nothing leaves without a trace. `id` is the letter's first place in DEAD.
"""
