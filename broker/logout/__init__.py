"""LOGOUT IN: Talkdesk's sign-out reaches Keycloak, and through it every app."""
