"""Adapter: Talkdesk's own servers, as docs/talkdesk.md describes them. Event keys, sign-on and the Apps API; what comes in is `events`."""
