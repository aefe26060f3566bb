"""KEYCLOAK → US → TALKDESK → US → KEYCLOAK: one OpenID provider per installation, in front of Talkdesk."""
