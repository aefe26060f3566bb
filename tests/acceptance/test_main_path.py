"""The main path on a real Keycloak: the same words as in the scenarios."""

from tests.scenarios.test_main_path import *  # noqa: F403
