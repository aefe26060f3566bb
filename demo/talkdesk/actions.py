"""What Talkdesk's people and administrators do: install, update, rotate, uninstall, sign in and out.

Each action changes the state first and then sends the events that follow from it. With `deliver=False` the event is
only made: the caller sends it when it likes (late, twice, in another order) with `deliver`.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from demo.talkdesk import events, keys
from demo.talkdesk.delivery import Courier
from demo.talkdesk.model import (
    RETIRING,
    Account,
    App,
    CredentialSet,
    Delivery,
    Event,
    Installation,
    InstallationState,
    Session,
    User,
)
from demo.talkdesk.state import State
from demo.talkdesk.variants import RotatedClientId, UninstallAnswer


class Actions:
    """Drives Talkdesk's side. Methods that send return after the first attempt; see its answer in the delivery."""

    def __init__(self, state: State, courier: Courier) -> None:
        self.state = state
        self.courier = courier
        self._background: set[asyncio.Task[Delivery]] = set()
        state.rotation_wanted = self._rotate_soon

    async def install(
        self, account: Account, app: App, *, users: Sequence[User] | None = None, deliver: bool = True
    ) -> Installation:
        """`users` are the licensed ones: everybody of the account unless named."""
        installation = Installation(
            id=keys.new_id(),
            app=app,
            account=account,
            credential_sets=[CredentialSet(keys.new_credentials(self.state.variants.key_algorithm))],
            users=list(account.users if users is None else users),
        )
        self.state.add_installation(installation)
        await self._send(installation, events.installed(self.state, installation), deliver)
        return installation

    async def uninstall(self, installation: Installation, *, deliver: bool = True) -> Delivery:
        """Nobody signs on through it any more; how long the credentials live is a variant."""
        installation.state = InstallationState.UNINSTALLED
        if self.state.variants.uninstall_answer is UninstallAnswer.DEAD_401:
            for each in installation.credential_sets:
                each.dead_from = self.state.clock()
        return await self._send(installation, events.uninstalled(self.state, installation), deliver)

    async def install_again(self, installation: Installation, *, deliver: bool = True) -> Delivery:
        """An uninstalled app comes back under the same installation id, with new credentials.

        Whether Talkdesk ever uses an id again is not documented; a receiver should survive it.
        """
        if installation.is_installed:
            raise ValueError("it is installed")
        installation.state = InstallationState.PENDING
        for each in installation.credential_sets:
            each.dead_from = self.state.clock()
        installation.credential_sets.append(CredentialSet(keys.new_credentials(self.state.variants.key_algorithm)))
        return await self._send(installation, events.installed(self.state, installation), deliver)

    async def rotate(self, installation: Installation, *, compromised: bool = False, deliver: bool = True) -> Delivery:
        """New credentials; the old ones live for 7 days, or no longer if they were compromised."""
        now, old = self.state.clock(), installation.current.credentials
        for each in installation.credential_sets:
            each.dead_from = now if compromised else (each.dead_from or now + RETIRING)
        client_id = old.client_id if self.state.variants.rotated_client_id is RotatedClientId.SAME else None
        new = keys.new_credentials(self.state.variants.key_algorithm, client_id)
        installation.credential_sets.append(CredentialSet(new, awaits_acknowledgement=True))
        return await self._send(installation, events.credentials_rotated(self.state, installation), deliver)

    async def update(
        self,
        installation: Installation,
        *,
        adding: Sequence[User] = (),
        removing: Sequence[User] = (),
        subscription: str | None = None,
        deliver: bool = True,
    ) -> Delivery:
        """Licences come and go; the app is asked again whether it approves."""
        installation.users = [user for user in installation.users if user not in removing] + list(adding)
        installation.state = InstallationState.PENDING
        added, removed = [user.id for user in adding], [user.id for user in removing]
        event = events.updated(self.state, installation, added, removed, subscription)
        return await self._send(installation, event, deliver)

    async def start_trial(self, installation: Installation, *, days: int = 14, deliver: bool = True) -> Delivery:
        expires_at = self.state.clock() + timedelta(days=days)
        return await self._send(installation, events.trial_started(self.state, installation, expires_at), deliver)

    async def extend_trial(self, installation: Installation, *, days: int = 28, deliver: bool = True) -> Delivery:
        expires_at = self.state.clock() + timedelta(days=days)
        return await self._send(installation, events.trial_extended(self.state, installation, expires_at), deliver)

    async def end_trial(
        self,
        installation: Installation,
        *,
        reason: str = "trial_expired",
        ended_by: str = "system",
        deliver: bool = True,
    ) -> Delivery:
        event = events.trial_ended(self.state, installation, self.state.clock(), reason, ended_by)
        return await self._send(installation, event, deliver)

    def start_session(self, user: User) -> str:
        """Somebody signs in to Talkdesk in a browser; the value is what its cookie holds."""
        cookie_value = secrets.token_urlsafe(24)
        session = Session(sid=keys.new_id(), user=user, account=self.state.account_of(user))
        self.state.sessions[cookie_value] = session
        self.state.changed()
        return cookie_value

    async def user_logout(
        self, user: User, *, created_at: datetime | None = None, deliver: bool = True
    ) -> list[Delivery]:
        """Out of Talkdesk in every browser; one `user.logout` to each installation that the user is licensed for."""
        self.state.sessions = {key: each for key, each in self.state.sessions.items() if each.user != user}
        told = [each for each in self.state.installations.values() if each.is_installed and user in each.users]
        sent = [(each, events.user_logout(self.state, each, user, created_at)) for each in told]
        return await asyncio.gather(*(self._send(each, event, deliver) for each, event in sent))

    def make_event(
        self,
        kind: str,
        app: App,
        data: Mapping[str, Any],
        links: Mapping[str, str] | None = None,
        *,
        created_at: datetime | None = None,
    ) -> Event:
        """An event with any content, for what Talkdesk would not send by itself."""
        return events.make_event(self.state, kind, app, data, links, created_at=created_at)

    async def deliver(self, event: Event, *, headers: Mapping[str, str] | None = None) -> Delivery:
        """Send an event (again). `headers` replace those of the signature."""
        return await self.courier.deliver(event, headers)

    async def retry_now(self, delivery: Delivery) -> None:
        await self.courier.retry_now(delivery)

    async def stop_actions(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self.courier.stop()

    async def _send(self, installation: Installation, event: Event, deliver: bool) -> Delivery:
        delivery = await self.courier.deliver(event) if deliver else Delivery(event)
        installation.deliveries.append(delivery)
        return delivery

    def _rotate_soon(self, installation: Installation) -> None:
        """The app asked for it: the event comes after the answer to the call."""
        task = asyncio.create_task(self.rotate(installation))
        self._background.add(task)
        task.add_done_callback(self._background.discard)
