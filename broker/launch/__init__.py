"""LAUNCH IN: a click in Talkdesk becomes a person in an app, or a page that helps."""
