"""The same examples in every run: a failure in CI fails here too."""

from hypothesis import settings

settings.register_profile("repeatable", derandomize=True)
settings.load_profile("repeatable")
