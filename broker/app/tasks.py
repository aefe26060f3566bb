"""Tasks wired: which effect a kind of task has, and what looks at the whole realm."""

from datetime import timedelta

from broker.alerts.contested import AlertOfContested
from broker.alerts.sign_ons import AlertOfSignOns
from broker.alerts.sign_outs import AlertOfSignOuts
from broker.app.parts import Parts
from broker.converge.answer import Answer
from broker.converge.check import Check
from broker.converge.desired import Deployment
from broker.converge.findings import Judge
from broker.converge.provision import Converge
from broker.converge.reconcile import Reconcile
from broker.converge.rotation import AnswerRotation
from broker.logout.account import EndAccount
from broker.logout.deliver import Deliver
from broker.logout.replayed import EndReplayed
from broker.logout.sign_out import SignOut
from broker.model.task import TaskKind
from broker.observation import Timed
from broker.worker import PLACES, Effect, Worker


def make_converge(parts: Parts) -> Converge:
    """What makes Keycloak as the facts of one installation say."""
    stores = parts.stores
    return Converge(
        events=stores.events,
        installations=stores.installations,
        records=stores.provider_records,
        tasks=stores.tasks,
        providers=parts.keycloak.identity_providers,
        repairs=stores.repairs,
        deployment=Deployment(
            instance=parts.instance,
            public_url=parts.settings.public_url,
            internal_url=parts.settings.internal_base,
            makes_users=parts.settings.users == "own",
        ),
        app_names={app.id: app.name for app in parts.config.apps},
        is_welcome=parts.is_welcome,
        end_sessions=EndAccount(stores.sign_ons, stores.logout_records, parts.end_sessions, parts.now, parts.metrics),
        now=parts.now,
    )


def make_reconcile(parts: Parts, converge: Converge) -> Reconcile:
    """What looks at the whole realm."""
    stores = parts.stores
    judge = Judge(converge.deployment, converge.app_names, converge.is_welcome)
    return Reconcile(converge.providers, stores.known_providers, stores.repairs, stores.tasks, judge, parts.now)


def make_worker(parts: Parts, converge: Converge) -> Worker:
    """The worker of this service."""
    stores = parts.stores
    apps = parts.talkdesk.apps
    answer = Answer(
        events=stores.events,
        installations=stores.installations,
        records=stores.provider_records,
        logouts=stores.logouts,
        apps=apps,
        rotation=AnswerRotation(stores.installations, apps, stores.one_time_values, parts.now),
        is_welcome=parts.is_welcome,
        now=parts.now,
    )
    alert = AlertOfSignOns(
        failures=stores.failures,
        installations=stores.installations,
        app_names={app.id: app.name for app in parts.config.apps},
        after=parts.settings.alert_after,
        webhook=parts.webhook,
    )
    sign_out = SignOut(
        stores.logouts,
        stores.logout_records,
        stores.sign_ons,
        stores.tasks,
        parts.end_sessions,
        parts.now,
        parts.metrics,
    )
    clients = {slug: app.client_id for slug, app in parts.relayed.items()}
    effects: dict[TaskKind, Effect] = {
        TaskKind.CONVERGE: converge,
        TaskKind.ANSWER: Timed(answer, stores.origins, parts.metrics, parts.now),
        TaskKind.SIGN_OUT: Timed(sign_out, stores.origins, parts.metrics, parts.now),
        TaskKind.END_SIGN_ON: EndReplayed(stores.sign_ons, parts.end_sessions, parts.now),
        TaskKind.CHECK: Check(stores.installations, apps, parts.now),
        TaskKind.ALERT: alert,
        TaskKind.ALERT_CONTESTED: AlertOfContested(
            stores.provider_records, stores.repairs, alert.app_names, stores.installations, parts.webhook, parts.now
        ),
        TaskKind.ALERT_UNDELIVERED: AlertOfSignOuts(stores.deliveries, clients, parts.webhook, parts.now),
        TaskKind.DELIVER: Deliver(parts.relayed, stores.deliveries, parts.settle, parts.now),
    }
    lease = timedelta(seconds=parts.settings.lease_seconds)
    # A place for each app: one that hangs keeps none from another.
    places = {**PLACES, TaskKind.DELIVER: max(PLACES[TaskKind.DELIVER], len(parts.relayed))}
    return Worker(stores.tasks, effects, parts.owner, parts.metrics, lease=lease, places=places)
