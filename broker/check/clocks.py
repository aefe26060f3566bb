"""How far our clock is from others'.

Talkdesk's and any proxy's stands in the `Date` of their answers. A Keycloak without a proxy in front sends none (docs/decisions/0014), so its
clock is read from `iat` of an access token. Both are whole seconds.
"""

from datetime import datetime, timedelta

from broker.check.finding import Finding, ok, warning, wrong

KEYCLOAK_MOST = timedelta(seconds=5)
"""Keycloak takes our ID tokens as long as its clock is no more than this behind (`allowedClockSkew` of our identity providers)."""
TALKDESK_MOST = timedelta(seconds=60)
"""A client assertion lives for minutes; with more than this nobody knows whether it is still taken."""
DATABASE_MOST = timedelta(seconds=30)
"""Leases go by the database's clock, everything else by ours."""
_MEND = "let this machine and {whose} take their time from NTP"


def compare(check: str, whose: str, theirs: datetime, ours: datetime, most: timedelta) -> Finding:
    """A line about two clocks that were read at the same time; half of `most` is worth a warning."""
    apart = ours - theirs
    found = f"ours is {abs(apart.total_seconds()):.0f} s {'ahead' if apart > timedelta(0) else 'behind'}"
    mend = _MEND.format(whose=whose)
    if abs(apart) > most:
        return wrong(check, found, mend)
    # A second belongs to the whole seconds in which others tell their time.
    if abs(apart) > most / 2 + timedelta(seconds=1):
        return warning(check, found, mend)
    return ok(check, f"{abs(apart.total_seconds()):.0f} s apart")
