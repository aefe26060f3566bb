"""Facts → Keycloak and Talkdesk: makes the realm what the facts say, then gives the answers that are owed."""
