"""`python -m demo.registered_app`: the app as a process that makes its own client in the realm first, where no administrator is at hand."""

import argparse
import asyncio
import contextlib
import secrets
import signal
from pathlib import Path

from demo.app import DownstreamApp
from demo.keycloak_admin import KeycloakAdmin

REALM = "talkdesk"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.registered_app", description=__doc__)
    parser.add_argument("--name", default="Wallboard")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--public-url", help="where browsers and Keycloak reach the app; default: where it listens")
    parser.add_argument("--keycloak-url", required=True, help="Keycloak as browsers see it")
    parser.add_argument("--keycloak-admin-url", help="Keycloak for its administrator; default: as browsers see it")
    parser.add_argument("--admin-username", default="admin")
    parser.add_argument("--admin-password-file", type=Path, required=True)
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    app = DownstreamApp(
        name=arguments.name,
        issuer=f"{arguments.keycloak_url}/realms/{REALM}",
        client_id=arguments.name.lower(),
        client_secret=secrets.token_urlsafe(24),
        port=arguments.port,
        public_url=arguments.public_url,
    )
    password = arguments.admin_password_file.read_text().strip()
    admin_url = arguments.keycloak_admin_url or arguments.keycloak_url
    async with KeycloakAdmin(admin_url, arguments.admin_username, password, realm=REALM) as admin:
        await admin.register(app)
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    await app.start()
    print(f"{app.name}: {app.url}/", flush=True)
    await stopped.wait()
    await app.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(_arguments()))
