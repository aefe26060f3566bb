"""The relay behind a real Keycloak: the same words as in the scenarios."""

from demo.talkdesk import ACME, ANA
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.scenarios.test_relay import (
    relayed,
    settled,
    test_a_redirect_is_not_followed,
    test_a_refusal_after_a_lost_answer_says_so,
    test_a_refusal_is_final,
    test_a_sign_out_at_an_app_reaches_the_others,
    test_an_app_that_fails_twice_is_told_a_third_time,
    test_an_app_that_hangs_delays_no_other,
    test_an_app_that_was_down_is_told_when_it_is_back,
    test_every_app_confirms_and_it_is_on_record,
    test_exactly_one_persons_sessions_end_one_token_each,
)
from tests.scenarios.test_sign_out_record import (
    is_open_because,
    test_a_session_that_is_born_after_the_logout_token_ends_with_the_next_round,
    test_an_app_without_a_relay_that_keycloak_could_not_tell_is_on_record,
    test_an_event_between_a_code_and_its_redemption_ends_the_sign_on,
    test_an_event_that_comes_before_its_sign_on_ends_it,
    test_an_issuer_key_that_was_lost_and_made_anew_ends_sessions_of_before,
    test_an_operator_signs_a_person_out,
    test_an_uninstall_is_on_record_with_everybody,
    test_late_repeated_and_swapped_events_end_what_was_before_them,
)
from tests.waiting import eventually
from tests.world import World, users_of

__all__ = [
    "relayed",
    "test_a_redirect_is_not_followed",
    "test_a_refusal_after_a_lost_answer_says_so",
    "test_a_refusal_is_final",
    "test_a_session_that_is_born_after_the_logout_token_ends_with_the_next_round",
    "test_a_sign_out_at_an_app_reaches_the_others",
    "test_an_app_that_fails_twice_is_told_a_third_time",
    "test_an_app_that_hangs_delays_no_other",
    "test_an_app_that_was_down_is_told_when_it_is_back",
    "test_an_app_without_a_relay_that_keycloak_could_not_tell_is_on_record",
    "test_an_event_between_a_code_and_its_redemption_ends_the_sign_on",
    "test_an_event_that_comes_before_its_sign_on_ends_it",
    "test_an_issuer_key_that_was_lost_and_made_anew_ends_sessions_of_before",
    "test_an_operator_signs_a_person_out",
    "test_an_uninstall_is_on_record_with_everybody",
    "test_every_app_confirms_and_it_is_on_record",
    "test_exactly_one_persons_sessions_end_one_token_each",
    "test_late_repeated_and_swapped_events_end_what_was_before_them",
]


async def is_enabled(keycloak: RunningKeycloak, alias: str, *, enabled: bool) -> None:
    """As an administrator does it in the console."""
    async with keycloak.admin() as admin:
        provider = (await admin.get(f"identity-provider/instances/{alias}")).raise_for_status().json()
        changed = {**provider, "enabled": enabled}
        (await admin.put(f"identity-provider/instances/{alias}", json=changed)).raise_for_status()


async def test_a_disabled_identity_provider_is_on_record_until_it_is_enabled(
    relayed: World, keycloak: RunningKeycloak
) -> None:
    """Keycloak answers 500 and the session lives; enabled again, it ends. 26.4 ends it at once, and tells the app."""
    installation = await relayed.install(ACME)
    alias = str(await relayed.alias(installation))
    await relayed.launch(relayed.browser(ANA), installation, ANA)
    await is_enabled(keycloak, alias, enabled=False)
    await relayed.talkdesk.user_logout(ANA)
    if await keycloak.is_of("26.4"):
        await settled(relayed, "done")
        assert not relayed.wallboard.signed_in
        return
    await eventually(
        lambda: is_open_because(relayed, "while it is disabled: enable it"), what="the reason is on record"
    )
    assert users_of(relayed.wallboard) == [ANA.id]
    await is_enabled(keycloak, alias, enabled=True)
    await settled(relayed, "done")
    assert not relayed.wallboard.signed_in


async def test_sessions_that_died_with_their_identity_provider_are_on_record(
    relayed: World, keycloak: RunningKeycloak
) -> None:
    """Keycloak answers 400 and has told no app."""
    installation = await relayed.install(ACME)
    await relayed.launch(relayed.browser(ANA), installation, ANA)
    async with keycloak.admin() as admin:
        (await admin.delete(f"identity-provider/instances/{await relayed.alias(installation)}")).raise_for_status()
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert ("no app was told" in (row.problem or ""), row.confirmed) == (True, 0)
