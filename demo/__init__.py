"""A Talkdesk to play with, two apps, and a walk through the whole path.

Nothing here is part of the service: the wheel leaves this package out. The tests use it too, so it is as strict as the
documentation of the other side is.
"""
