"""`broker accounts preflight` on a real Keycloak: the same words as in the scenarios."""

from tests.scenarios.existing.test_preflight import *  # noqa: F403
