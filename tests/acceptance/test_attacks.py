"""Codes that are not one's own, through a real Keycloak: the same words as in the scenarios."""

from tests.scenarios.test_attacks import (
    test_a_code_that_comes_twice_ends_what_it_gave,
    test_an_answer_in_another_browser_is_refused_and_spoils_nothing,
    test_an_answer_works_once,
    test_anothers_code_in_ones_own_answer_is_refused,
)
from tests.scenarios.test_mix_ups import (
    test_our_code_for_one_installation_is_nothing_at_another,
    test_talkdesks_answer_for_one_account_is_nothing_at_another,
)

__all__ = [
    "test_a_code_that_comes_twice_ends_what_it_gave",
    "test_an_answer_in_another_browser_is_refused_and_spoils_nothing",
    "test_an_answer_works_once",
    "test_anothers_code_in_ones_own_answer_is_refused",
    "test_our_code_for_one_installation_is_nothing_at_another",
    "test_talkdesks_answer_for_one_account_is_nothing_at_another",
]
