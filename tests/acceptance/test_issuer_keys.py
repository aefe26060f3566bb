"""Rotation of the issuers' key before a real Keycloak, which caches key sets."""

from tests.scenarios.test_issuer_keys import test_the_issuers_key_rotates_with_no_failed_sign_on

__all__ = ["test_the_issuers_key_rotates_with_no_failed_sign_on"]
