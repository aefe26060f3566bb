"""Effect of the task `alert contested`: somebody else writes fields of an identity provider that are ours, and we have stopped to.

Asked for where that is noticed, at most once an hour for each identity provider (`storage/sql_repairs`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from broker.alerts.sign_ons import plain
from broker.model.names import AppId, InstallationId
from broker.model.task import Claim
from broker.ports import Clock, Installations, ProviderRecords, Repairs, Webhook

log = structlog.get_logger()


@dataclass(frozen=True)
class AlertOfContested:
    """Carries out the task `alert contested`."""

    records: ProviderRecords
    repairs: Repairs
    app_names: Mapping[AppId, str]
    installations: Installations
    webhook: Webhook | None
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """Tell whoever listens, if it still is so. Raises OutsideError."""
        installation = await self.installations.find(InstallationId(claim.task.key))
        record = await self.records.find_latest(InstallationId(claim.task.key))
        if installation is None or record is None:
            return
        fields = sorted((await self.repairs.contested([record.alias], self.now())).get(record.alias, ()))
        if not fields:
            return
        log.error("identity provider is contested", installation=installation.id, alias=record.alias, fields=fields)
        if self.webhook is None:
            return
        app = self.app_names.get(installation.app, "An app")
        customer = plain(installation.account_name) or "an account without a name"
        await self.webhook.post(
            {
                "text": (
                    f"{app}: somebody keeps changing the identity provider {record.alias} of {customer} in Keycloak "
                    f"({', '.join(fields)}). It stays as it is until that has stopped for an hour."
                ),
                "app": installation.app,
                "account": installation.account,
                "installation": installation.id,
                "alias": record.alias,
                "fields": fields,
            }
        )
