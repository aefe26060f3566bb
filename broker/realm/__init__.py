"""Adapter to Keycloak: everything that knows its wire. python-keycloak is used here only."""
