"""An imitation of Keycloak on the wire, for scenario tests.

A real HTTP server with a real key, that behaves as docs/keycloak.md says a real 26.7.3 does and refuses what that refuses, as far as the
broker touches it and no further.
What it does not have: refresh tokens, required actions, the rest of the admin API; of pages to fill in only the password form.
Acceptance tests use a real Keycloak; this one is for what a real one can't do at will: fail, hang, lose an answer, and tell what it was asked.
"""

from tests.fakes.keycloak.imitation import BrokerClients, KeycloakImitation
from tests.fakes.keycloak.model import Session, User
from tests.fakes.keycloak.wire import Recorded

__all__ = ["BrokerClients", "KeycloakImitation", "Recorded", "Session", "User"]
