"""Metrics in Prometheus' text format at `GET /metrics` (names and labels: docs/operations.md).

Owns: names, labels, buckets, and what a label may hold: words that this program knows, never what somebody outside chose.
Leaves to others: who sees what is counted (`Observer`), and the rows of the database (`Backlog`).
"""

import math
import shutil
from collections.abc import Callable, Collection
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import structlog
from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from broker.errors import StorageError
from broker.listing import Backlog
from broker.model.task import TaskKind
from broker.observation import RunOutcome

log = structlog.get_logger()

PREFIX = "talkdesk_broker_"
OTHER = "other"
"""Label of what is not ours to name: an event type or an app from outside must not make a series each."""

EVENT_TYPES = frozenset(
    {
        "app.installed",
        "app.updated",
        "app.uninstalled",
        "app.credentials_rotated",
        "app.trial_started",
        "app.trial_extended",
        "app.trial_ended",
        "user.logout",
    }
)
TASK_STATES = ("due", "waiting", "running", "alarming", "failed")

_CALL_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)
# Up to the seven days in which Talkdesk waits for an answer.
_EFFECT_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600)


class Metrics:
    """`Observer` that counts; a registry of its own, so that two brokers in one process don't share numbers."""

    def __init__(self, apps: Collection[str]) -> None:
        """`apps`: ids of the configured ones; any other is counted as `other`."""
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._apps = frozenset(apps)
        self._events = self._counter("events", "Deliveries answered with success", "type", "outcome")
        self._refused = self._counter("deliveries_refused", "Deliveries answered with an error", "reason")
        self._effect = self._histogram(
            "event_effect_seconds", "From the receipt of an event to its effect", _EFFECT_BUCKETS, "type"
        )
        self._runs = self._counter("task_runs", "Runs of tasks", "kind", "outcome")
        self._run = self._histogram("task_run_seconds", "Duration of a run of a task", _CALL_BUCKETS, "kind")
        self._sign_ons = self._counter(
            "sign_ons", "Sign-ons that Keycloak was told of, and failed ones", "app", "outcome"
        )
        self._failures = self._counter(
            "sign_on_failures", "Sign-ons that ended on the error page", "app", "stage", "reason"
        )
        self._logout_tokens = self._counter("logout_tokens", "Logout tokens posted to Keycloak", "status")
        self._relay_refused = self._counter("relay_refused", "Logout tokens that the relay did not take", "reason")
        self._deliveries = self._counter(
            "logout_deliveries", "Logout tokens for apps that are settled", "relay", "outcome"
        )
        self._confirmed = self._histogram(
            "logout_confirmed_seconds", "From what asks for a logout to the last app's confirmation", _EFFECT_BUCKETS
        )
        self._call = self._histogram(
            "call_seconds", "Calls to Keycloak and Talkdesk", _CALL_BUCKETS, "peer", "operation", "status"
        )
        self._tasks = self._gauge("tasks", "Tasks that are not done", "kind", "state")
        self._oldest = self._gauge("task_oldest_due_seconds", "How long the oldest has been due", "kind", "state")
        self._is_database_up = self._gauge("database_up", "1 where the database answered this scrape")
        self._clock = self._gauge(
            "clock_ahead_seconds", "How far our clock was ahead of theirs, when last seen", "peer"
        )
        self._beat = self._gauge("worker_beat_age_seconds", "How long ago the worker last looked for work")
        self._free = self._gauge("data_free_bytes", "Free bytes on the disk of the SQLite file; NaN on PostgreSQL")
        self._free.set(math.nan)
        self._info = self._gauge("info", "1, with the version of the broker", "version")
        self._info.labels(version("talkdesk-appconnect-broker")).set(1)

    def event_received(self, event_type: str, outcome: str) -> None:
        """As the port says."""
        self._events.labels(_type(event_type), outcome).inc()

    def delivery_refused(self, reason: str) -> None:
        """As the port says."""
        self._refused.labels(reason).inc()

    def event_took_effect(self, event_type: str, after_s: float) -> None:
        """As the port says."""
        self._effect.labels(_type(event_type)).observe(after_s)

    def task_ran(self, kind: TaskKind, outcome: RunOutcome, took_s: float) -> None:
        """As the port says."""
        self._runs.labels(kind.value, outcome.value).inc()
        self._run.labels(kind.value).observe(took_s)

    def signed_on(self, app: str) -> None:
        """As the port says."""
        self._sign_ons.labels(self._app(app), "signed on").inc()

    def sign_on_failed(self, app: str | None, stage: str, reason: str) -> None:
        """As the port says."""
        self._sign_ons.labels(self._app(app), "failed").inc()
        self._failures.labels(self._app(app), stage, reason).inc()

    def logout_token_posted(self, status: int | None) -> None:
        """As the port says."""
        self._logout_tokens.labels(_status(status)).inc()

    def relay_refused(self, reason: str) -> None:
        """As the port says."""
        self._relay_refused.labels(reason).inc()

    def logout_delivered(self, relay: str, outcome: str) -> None:
        """As the port says; slugs are configured, not chosen by somebody outside."""
        self._deliveries.labels(relay, outcome).inc()

    def logout_confirmed(self, after_s: float) -> None:
        """As the port says."""
        self._confirmed.observe(after_s)

    def call_ended(self, peer: str, operation: str, status: int | None, took_s: float) -> None:
        """As the port says."""
        self._call.labels(peer, operation, _status(status)).observe(took_s)

    def clock_seen(self, peer: str, ahead_s: float) -> None:
        """As the port says."""
        self._clock.labels(peer).set(ahead_s)

    def watch(self, worker_beat: Callable[[], timedelta | None], data_folder: Path | None) -> None:
        """What is looked at when somebody reads. `data_folder`: of the SQLite file."""
        self._beat.set_function(lambda: age.total_seconds() if (age := worker_beat()) else math.nan)
        if data_folder:
            self._free.set_function(lambda: _free_bytes(data_folder))

    async def read(self, backlog: Backlog) -> bytes:
        """Everything, in Prometheus' text format; without the database all but what is read from it."""
        self._tasks.clear()
        self._oldest.clear()
        try:
            counts = {(count.kind, count.state): count for count in await backlog.count()}
        except StorageError as error:
            log.warning("tasks could not be counted", error=str(error))
            self._is_database_up.set(0)
            return generate_latest(self.registry)
        self._is_database_up.set(1)
        for kind in TaskKind:
            for state in TASK_STATES:
                count = counts.get((kind.value, state))
                self._tasks.labels(kind.value, state).set(count.count if count else 0)
                self._oldest.labels(kind.value, state).set(count.oldest_s if count else 0)
        return generate_latest(self.registry)

    def _app(self, app: str | None) -> str:
        return app if app in self._apps and app is not None else OTHER

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(PREFIX + name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(PREFIX + name, text, labels, buckets=buckets, registry=self.registry)


def router(metrics: Metrics, backlog: Backlog) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.get("/metrics")
    async def read() -> Response:
        # Not through `media_type`, which would add a second charset.
        return Response(await metrics.read(backlog), headers={"Content-Type": CONTENT_TYPE_LATEST})

    return routes


def _free_bytes(folder: Path) -> float:
    try:
        return float(shutil.disk_usage(folder).free)
    except OSError:
        return math.nan


def _type(event_type: str) -> str:
    return event_type if event_type in EVENT_TYPES else OTHER


def _status(status: int | None) -> str:
    return "none" if status is None else str(status)
