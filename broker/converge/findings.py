"""What is not as it should be, seen from a reconcile: one identity provider beside what the database knows of it (pure).

Owns: the kinds of findings, which of them a converge mends, and how one is told from another.
Leaves to others: reading realm and database (`reconcile`), the repair itself (`provision`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broker.converge import merge
from broker.converge.desired import MAPPER, Deployment, desired_provider, fields_of_ours
from broker.model.identity_provider import KnownProvider, ProviderState
from broker.model.installation import Installation
from broker.model.names import AccountId, Alias, AppId, InstallationId
from broker.ports import Json


class FindingKind(StrEnum):
    """What is wrong, or worth a word."""

    MISSING = "missing"
    """An installation without identity provider: never made, or deleted in the console."""
    UNFINISHED = "unfinished"
    """Its making was broken off."""
    CHANGED = "changed"
    """Fields that are ours have other values, or our mapper."""
    TAKEN_OVER = "taken over"
    """Ours by its name, but without our mark: somebody else's now."""
    LEFT_OVER = "left over"
    """Of an installation that is gone."""
    CONTESTED = "contested"
    """Somebody else keeps writing fields that are ours: nothing is repaired until that has stopped for an hour."""
    ORPHAN = "orphan"
    """It has our mark, but no installation of this database has it: as after a restored backup."""
    NOT_WELCOME = "not welcome"
    """Its account is no longer listed: its issuer lets nobody in."""
    DISABLED = "disabled"
    """By the realm's administrator, whose word it is."""


WILL: Mapping[FindingKind, str] = {
    FindingKind.MISSING: "made under a new alias",
    FindingKind.UNFINISHED: "completed",
    FindingKind.CHANGED: "repaired",
    FindingKind.TAKEN_OVER: "left alone; another is made under a new alias",
    FindingKind.LEFT_OVER: "withdrawn",
}
"""What a converge of the installation makes of it; nothing, where the kind is not in here."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found."""

    kind: FindingKind
    alias: Alias | None
    """None where there never was one."""
    installation: InstallationId | None
    detail: str = ""

    @property
    def is_mended(self) -> bool:
        """Whether a converge of its installation mends it."""
        return self.kind in WILL


@dataclass(frozen=True)
class Judge:
    """Knows what should be."""

    deployment: Deployment
    app_names: Mapping[AppId, str]
    is_welcome: Callable[[AccountId], bool]

    def desired(self, installation: Installation, alias: Alias) -> Json:
        """The identity provider as it should be."""
        app_name = self.app_names.get(installation.app, installation.app)
        return desired_provider(installation, app_name, alias, self.deployment)

    def is_ours(self, current: Json) -> bool:
        """Whether it has our mark."""
        return merge.is_ours(current, self.deployment.instance)

    def should_be(self, known: KnownProvider) -> bool:
        """Whether the installation is to have an identity provider."""
        installation = known.installation
        return installation is not None and installation.is_installed and self.is_welcome(installation.account)

    def changes(self, current: Json, known: KnownProvider) -> frozenset[str]:
        """Our fields that somebody changed, where the identity provider is one that is to be complete. Cheap: called for each."""
        if known.installation is None or known.record is None or not self.is_live(current, known):
            return frozenset()
        return merge.drift(current, fields_of_ours(known.installation, known.record.alias, self.deployment))

    def is_live(self, current: Json, known: KnownProvider) -> bool:
        """Whether this is the complete identity provider of an installation that is to have one."""
        return (
            self.is_ours(current)
            and known.is_newest
            and known.record is not None
            and known.record.state is ProviderState.LIVE
            and merge.is_set_up(current)
            and self.should_be(known)
        )

    def findings(
        self, current: Json, known: KnownProvider | None, changed: frozenset[str], contested: frozenset[str]
    ) -> Iterator[Finding]:
        """What is to be said of an identity provider of the realm, given which of our fields are changed, and which of those contested."""
        alias = Alias(current["alias"])
        if not self.is_ours(current):
            if known is not None and known.is_newest and _is_open(known) and self.should_be(known):
                yield Finding(FindingKind.TAKEN_OVER, alias, _id(known), "our mark is gone")
            return
        if orphaned := _why_orphan(known):
            yield Finding(FindingKind.ORPHAN, alias, _id(known) if known else None, orphaned)
            return
        assert known is not None
        yield from self._findings_of_ours(current, alias, known, changed, contested)

    def _findings_of_ours(
        self, current: Json, alias: Alias, known: KnownProvider, changed: frozenset[str], contested: frozenset[str]
    ) -> Iterator[Finding]:
        installation = _id(known)
        if known.installation is not None and not known.installation.is_installed:
            yield Finding(FindingKind.LEFT_OVER, alias, installation, "uninstalled")
        elif not self.should_be(known):
            yield Finding(FindingKind.NOT_WELCOME, alias, installation, "the account is not listed")
        elif not self.is_live(current, known):
            yield Finding(FindingKind.UNFINISHED, alias, installation)
        else:
            if repairable := changed - contested:
                yield Finding(FindingKind.CHANGED, alias, installation, ", ".join(sorted(repairable)))
            if left := changed & contested:
                yield Finding(FindingKind.CONTESTED, alias, installation, ", ".join(sorted(left)))
            if current.get("enabled") is not True:
                yield Finding(FindingKind.DISABLED, alias, installation)


def mapper_changes(mappers: Sequence[Json], desired: Json) -> frozenset[str]:
    """As `changes`, for the mapper."""
    return frozenset({MAPPER}) if merge.mapper_to_write(mappers, desired) else frozenset()


def _why_orphan(known: KnownProvider | None) -> str:
    """Why nobody will ever come for it; empty where somebody will."""
    if known is None:
        return "no installation of this database"
    if not known.is_newest:
        return "an earlier generation"
    if known.installation is None:
        return "nothing was heard of its installation"
    if known.installation.is_installed and not _is_open(known):
        return "given up"
    return ""


def _is_open(known: KnownProvider) -> bool:
    return known.record is not None and known.record.state is not ProviderState.WITHDRAWN


def _id(known: KnownProvider) -> InstallationId | None:
    return known.record.installation if known.record else None
