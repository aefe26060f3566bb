"""A sign-on that failed: the record, the log line and the page, all under one reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlencode

import structlog
from fastapi import Request
from fastapi.responses import Response

from broker.errors import SignOnFailed, StorageError
from broker.model.failure import AS_INTENDED, Failure, Reason
from broker.model.installation import Installation
from broker.model.names import AppId, InstallationId
from broker.observation import UNOBSERVED, Observer
from broker.ports import Clock, Failures, Installations
from broker.settings import App, Support
from broker.web.keeping import WorthKeeping
from broker.web.languages import CanDo
from broker.web.pages import ErrorPage, Pages
from broker.web.reference import new_reference

log = structlog.get_logger()

# Where a passing fault, or the person's own doing, stopped them, once more can help. All others: support.
CAN_DO: Mapping[Reason, CanDo] = MappingProxyType(
    {
        Reason.INSTALLATION_MALFORMED: CanDo.FROM_TALKDESK,
        Reason.INSTALLATION_UNKNOWN: CanDo.ADMINISTRATOR,
        Reason.INSTALLATION_INACTIVE: CanDo.ADMINISTRATOR,
        Reason.INSTALLATION_SUSPENDED: CanDo.ADMINISTRATOR,
        Reason.TRIAL_EXPIRED: CanDo.ADMINISTRATOR,
        Reason.ACCOUNT_NOT_LISTED: CanDo.ADMINISTRATOR,
        Reason.USER_REMOVED: CanDo.ADMINISTRATOR,
        Reason.NOTHING_TO_RESUME: CanDo.FROM_TALKDESK,
        Reason.RESUMED_IN_A_CIRCLE: CanDo.FROM_TALKDESK,
        Reason.INSIDE_A_FRAME: CanDo.NEW_TAB,
        Reason.ANSWER_MALFORMED: CanDo.FROM_TALKDESK,
        Reason.STATE_UNKNOWN: CanDo.FROM_TALKDESK,
        Reason.OTHER_BROWSER: CanDo.FROM_TALKDESK,
        Reason.TALKDESK_FAILED: CanDo.AGAIN,
        Reason.CODE_MISSING: CanDo.AGAIN,
        Reason.CREDENTIALS_RETIRED: CanDo.AGAIN,
        Reason.PERSON_UNKNOWN: CanDo.AGAIN,
        Reason.SIGNED_OUT_MEANWHILE: CanDo.FROM_TALKDESK,
        Reason.ISSUER_WRONG: CanDo.FROM_TALKDESK,
        Reason.KEYCLOAK_REFUSED: CanDo.AGAIN,
        Reason.KEYCLOAK_FAILED: CanDo.AGAIN,
        Reason.ID_TOKEN_WRONG: CanDo.AGAIN,
        Reason.SESSION_NOT_OURS: CanDo.OTHER_ACCOUNT,
        Reason.SESSION_STAYS: CanDo.AGAIN,
        Reason.CROWDED: CanDo.AGAIN,
        Reason.STORAGE_UNAVAILABLE: CanDo.AGAIN,
        Reason.UNEXPECTED: CanDo.AGAIN,
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
    alert_after: int
    """So many failures of an installation in a row are worth an alert."""
    observer: Observer = UNOBSERVED
    is_worth_keeping: WorthKeeping = field(default_factory=WorthKeeping)

    async def __call__(self, request: Request, error: SignOnFailed) -> Response:
        """The page; also where the record can't be kept, which is logged."""
        failure = Failure(
            reference=new_reference(),
            at=self.now(),
            stage=error.stage,
            reason=error.reason.value,
            detail=str(error),
            installation=error.installation,
            hint=error.hint,
            upstream_status=error.upstream_status,
        )
        _log(failure)
        installation = None
        try:
            if error.installation:
                installation = await self.installations.find(InstallationId(error.installation))
            if self.is_worth_keeping(error, installation, failure.at):
                counts = error.reason not in AS_INTENDED
                await self.failures.save(failure, alert_after=self.alert_after if counts else None)
            else:
                log.warning("a failed sign-on is in the log only: there are too many", reference=failure.reference)
        except StorageError:
            log.exception("a failed sign-on could not be recorded", reference=failure.reference)
        app = self.apps.get(installation.app) if installation else None
        self.observer.sign_on_failed(app.id if app else None, failure.stage.value, failure.reason)
        can_do = CAN_DO.get(error.reason, CanDo.CONTACT)
        again = _again(request, error, installation) if can_do in (CanDo.AGAIN, CanDo.NEW_TAB) else None
        page = ErrorPage(
            status=error.status,
            reason=error.reason,
            can_do=CanDo.FROM_TALKDESK if can_do is CanDo.AGAIN and again is None else can_do,
            reference=failure.reference,
            app_name=app.name if app else None,
            support=app.support if app else self._any_support(),
            again=again,
            is_framed=error.reason is Reason.INSIDE_A_FRAME,
        )
        return self.pages.error(request, page)

    def _any_support(self) -> Support | None:
        """One vendor runs all apps: any contact of theirs is better than none."""
        supports = (app.support for app in self.apps.values())
        return next((each for each in supports if each.email or each.phone or each.url), None)


def _again(request: Request, error: SignOnFailed, installation: Installation | None) -> str | None:
    """Where it is tried once more: what was asked for, if that was a launch, else a launch of the installation that it was about."""
    # Who was sent away before anything was looked at can come again to the very same address: nothing of it was used.
    if request.url.path in _LAUNCHES or error.reason is Reason.CROWDED:
        return f"{request.url.path}?{request.url.query}".rstrip("?")
    if installation is None:
        return None
    return launch_path(installation.id, error.hint)


_LAUNCHES = ("/talkdesk/launch", "/launch/resume")


def launch_path(installation: str, hint: str | None) -> str:
    """A launch at this very host, as Talkdesk's link has it."""
    query = {"talkdesk_installation_id": installation, **({"talkdesk_user_id": hint} if hint else {})}
    return f"/talkdesk/launch?{urlencode(query)}"


def _log(failure: Failure) -> None:
    log.warning(
        "a sign-on failed",
        reference=failure.reference,
        stage=failure.stage.value,
        reason=failure.reason,
        detail=failure.detail,
        installation=failure.installation,
        upstream_status=failure.upstream_status,
    )
