"""A sign-on that failed: the record, the log line and the page, all under one reference."""

from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from fastapi.responses import Response

from broker.errors import SignOnFailed, StorageError
from broker.model.failure import Failure
from broker.model.names import AppId, InstallationId
from broker.observation import UNOBSERVED, Observer
from broker.ports import Clock, Failures, Installations
from broker.settings import App, Support
from broker.web.pages import ErrorPage, Pages
from broker.web.reference import new_reference

log = structlog.get_logger()

# Where the person's own mistake or a passing fault stopped them, once more from Talkdesk can help.
TRY_AGAIN = frozenset(
    {
        "nothing_to_resume",
        "state_unknown",
        "other_browser",
        "signed_out_meanwhile",
        "talkdesk_failed",
        "keycloak_failed",
        "keycloak_refused",
        "session_stays",
        "storage_unavailable",
    }
)


@dataclass(frozen=True)
class FailurePages:
    """Records failures and answers with their page."""

    failures: Failures
    installations: Installations
    apps: Mapping[AppId, App]
    pages: Pages
    now: Clock
    observer: Observer = UNOBSERVED

    async def __call__(self, error: SignOnFailed) -> Response:
        """The page; also where the record can't be kept, which is logged."""
        failure = Failure(
            reference=new_reference(),
            at=self.now(),
            stage=error.stage,
            reason=error.reason,
            detail=str(error),
            installation=error.installation,
            hint=error.hint,
            upstream_status=error.upstream_status,
        )
        log.warning(
            "a sign-on failed",
            reference=failure.reference,
            stage=failure.stage.value,
            reason=failure.reason,
            detail=failure.detail,
            installation=failure.installation,
            upstream_status=failure.upstream_status,
        )
        app = None
        try:
            await self.failures.save(failure)
            app = await self._app(error.installation)
        except StorageError:
            log.exception("a failed sign-on could not be recorded", reference=failure.reference)
        self.observer.sign_on_failed(app.id if app else None, failure.stage.value, failure.reason)
        return self.pages.error(
            ErrorPage(
                status=error.status,
                sentence=error.public,
                reference=failure.reference,
                app=app,
                support=app.support if app else self._any_support(),
                try_again=error.reason in TRY_AGAIN,
            )
        )

    async def _app(self, installation_id: str | None) -> App | None:
        if not installation_id:
            return None
        installation = await self.installations.find(InstallationId(installation_id))
        return self.apps.get(installation.app) if installation else None

    def _any_support(self) -> Support | None:
        """One vendor runs all apps: any contact of theirs is better than none."""
        return next((app.support for app in self.apps.values() if app.support.email or app.support.phone), None)
