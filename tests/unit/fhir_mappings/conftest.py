"""Properties are judged by what they find, not by how long a shared machine takes: no deadline."""

from hypothesis import settings

settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
