"""Sessions that are not ours, on a real Keycloak: the same words as in the scenarios."""

from tests.scenarios.existing.test_foreign_sessions import *  # noqa: F403
