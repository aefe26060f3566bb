"""The Talkdesk AppConnect broker for Keycloak."""
