"""Errors and outcomes → responses: pages, headers, health."""
