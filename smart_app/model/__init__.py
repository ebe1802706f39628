"""States and legal moves of everything the app keeps, as plain values: no I/O, no clock, no random ids.

A move is a method that returns the changed value or raises :class:`~smart_app.model.moves.IllegalMove`. Storage saves
values under optimistic versions; nothing here knows that it does.
"""
