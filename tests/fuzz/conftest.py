"""The same surroundings as for the crash tests."""

from tests.crashes.conftest import around

__all__ = ["around"]
