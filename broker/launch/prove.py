"""A launch that asked Talkdesk who is there: it goes through Keycloak once more, with the proof in hand.

Nothing ends here: whose session Keycloak has is seen when the launch comes back. If there is none any more, `authorize` finds the proof and
needs no second trip to Talkdesk.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from broker.door import Door
from broker.launch.start import ToKeycloak
from broker.model.authorization import Launch, Proven
from broker.model.browser import PROOF_COOKIE, Cookie, proof_key
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.outcome import GoOn
from broker.model.pkce import random_value
from broker.ports import Clock, OneTimeKind, OneTimeValues

PROOF_LIFETIME = timedelta(seconds=30)
"""For two passes through Keycloak, with the end of a session between them."""


@dataclass(frozen=True)
class ProvenLaunch:
    """Goes on with a launch whose person is certain now."""

    door: Door
    one_time: OneTimeValues
    to_keycloak: ToKeycloak
    now: Clock

    async def __call__(self, installation: Installation, launch: Launch, proven: Proven) -> GoOn:
        """To Keycloak. Raises SignOnFailed."""
        await self.door.enter(installation.id, Stage.CALLBACK, launch.hint)
        cookie = Cookie(PROOF_COOKIE, random_value())
        proof = random_value()
        realm_user = proven.realm_user.id if proven.realm_user else None
        person, begun_at = proven.person.user, proven.begun_at
        again = replace(launch, proven=person, proven_at=begun_at, realm_user=realm_user, proof=proof)
        key = proof_key(installation.id, proof, cookie.value)
        await self.one_time.save(OneTimeKind.PROOF, key, proven.to_json(), self.now() + PROOF_LIFETIME)
        return await self.to_keycloak(again, installation, proof=cookie)
