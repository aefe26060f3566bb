"""Effect of the task `alert`: an installation's sign-ons fail in a row, and somebody should know before the customer asks.

When it is asked for, and at most once an hour, is decided where failures are kept (`storage/sql_failures`), in one transaction with the
record: no request waits for a webhook, and no crash loses an alert. One between the POST and its mark repeats it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from broker.model.failure import Streak
from broker.model.installation import Installation
from broker.model.names import AppId, InstallationId
from broker.model.task import Claim
from broker.ports import Failures, Installations, Json, Webhook

log = structlog.get_logger()


@dataclass(frozen=True)
class AlertOfSignOns:
    """Carries out the task `alert`."""

    failures: Failures
    installations: Installations
    app_names: Mapping[AppId, str]
    after: int
    """So many in a row are worth a word."""
    webhook: Webhook | None

    async def __call__(self, claim: Claim) -> None:
        """Tell whoever listens, if it still is so. Raises OutsideError."""
        installation = await self.installations.find(InstallationId(claim.task.key))
        streak = await self.failures.streak(claim.task.key)
        if installation is None or streak is None or streak.in_a_row < self.after:
            return
        last = streak.last
        log.error(
            "sign-ons fail in a row",
            installation=installation.id,
            app=installation.app,
            in_a_row=streak.in_a_row,
            reference=last.reference,
            stage=last.stage.value,
            reason=last.reason,
        )
        if self.webhook:
            await self.webhook.post(self._content(installation, streak))

    def _content(self, installation: Installation, streak: Streak) -> Json:
        last = streak.last
        app = self.app_names.get(installation.app, "An app")
        customer = plain(installation.account_name) or "an account without a name"
        return {
            "text": (
                f"{app}: the last {streak.in_a_row} sign-ons of {customer} failed. "
                f"The latest: {last.reason} at {last.stage.value}, reference {last.reference}."
            ),
            "app": installation.app,
            "account": installation.account,
            "installation": installation.id,
            "in_a_row": streak.in_a_row,
            "reason": last.reason,
            "stage": last.stage.value,
            "reference": last.reference,
            "at": last.at.isoformat(),
        }


def plain(name: str) -> str:
    """A name from outside without what a chat tool would make a link, a mention or a picture of."""
    words = "".join(char if char.isalnum() or char in " ,'-" else " " for char in name).split()
    return " ".join(words)[:80]
