"""What holds for the tests of every room."""

from hypothesis import settings

# Rooms are tested side by side: how long one example takes says what else the machine was doing.
settings.register_profile("suite", parent=settings.default, deadline=None)
settings.load_profile("suite")
