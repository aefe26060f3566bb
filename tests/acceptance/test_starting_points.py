"""Every other starting point of docs/sign-on.md on a real Keycloak: the same words as in the scenarios."""

from tests.scenarios.test_starting_points import (
    test_a_closed_door_has_a_page_of_its_own,
    test_a_hint_that_an_app_remembers_too_long_does_no_harm,
    test_a_launch_inside_another_page_is_told_to_open_a_tab,
    test_a_reload_of_an_error_page_tries_again,
    test_a_reload_on_the_way_launches_again,
    test_an_app_that_remembers_its_alias_keeps_its_deep_link,
    test_an_app_that_sends_people_round_in_circles_is_stopped,
    test_an_app_that_sends_the_hint_itself_needs_no_launch,
    test_an_apps_own_cookie_of_another_person_opens_nothing,
    test_an_expired_session_is_made_anew,
    test_an_identity_provider_that_is_switched_off_is_a_closed_door,
    test_an_identity_provider_that_was_deleted_comes_back_by_a_launch,
    test_try_again_on_the_page_launches_again,
    test_two_tabs_do_not_spoil_each_other,
    test_who_begins_at_the_app_in_a_new_browser_is_told_where_to_go,
    test_who_begins_at_the_app_is_in_without_a_click,
)

__all__ = [
    "test_a_closed_door_has_a_page_of_its_own",
    "test_a_hint_that_an_app_remembers_too_long_does_no_harm",
    "test_a_launch_inside_another_page_is_told_to_open_a_tab",
    "test_a_reload_of_an_error_page_tries_again",
    "test_a_reload_on_the_way_launches_again",
    "test_an_app_that_remembers_its_alias_keeps_its_deep_link",
    "test_an_app_that_sends_people_round_in_circles_is_stopped",
    "test_an_app_that_sends_the_hint_itself_needs_no_launch",
    "test_an_apps_own_cookie_of_another_person_opens_nothing",
    "test_an_expired_session_is_made_anew",
    "test_an_identity_provider_that_is_switched_off_is_a_closed_door",
    "test_an_identity_provider_that_was_deleted_comes_back_by_a_launch",
    "test_try_again_on_the_page_launches_again",
    "test_two_tabs_do_not_spoil_each_other",
    "test_who_begins_at_the_app_in_a_new_browser_is_told_where_to_go",
    "test_who_begins_at_the_app_is_in_without_a_click",
]
