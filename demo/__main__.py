"""`python -m demo`: starts everything on this machine, walks the path once, and stays up to play with.

`--once` stops after the walk. Exit code 1 if a step differs, 0 if all is as it should be.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import time
from pathlib import Path

from demo.browser import Browser
from demo.surroundings import Missing, ServerFailed, Surroundings, surroundings
from demo.walk import Differs, Walk

BROKEN_OFF = 130  # as a shell says of Ctrl-C
STARTED = time.monotonic()


def say(text: str) -> None:
    print(f"{time.monotonic() - STARTED:6.1f} s  {text}", flush=True)


async def _demo(*, once: bool) -> int:
    """Ctrl-C and TERM end it in good order: as its proper end while it stays up, as a break before."""
    told_to_stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, told_to_stop.set)
    work = asyncio.create_task(_run(once=once))
    stop = asyncio.create_task(told_to_stop.wait())
    await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not work.done():
        say("ending")
        work.cancel()
    try:
        return await work
    except asyncio.CancelledError:
        return BROKEN_OFF


async def _run(*, once: bool) -> int:
    try:
        async with surroundings(say) as around:
            try:
                async with Browser() as browser:
                    await Walk(around, browser, say).run()
            except Differs as difference:
                say(f"DIFFERS: {difference}")
                _show_end_of(around.broker_log)
                return 1
            say("every step was as it should be")
            if not once:
                _show_addresses(around)
                await _until_told_to_stop()
    except (Missing, ServerFailed) as error:
        say(str(error))
        return 1
    return 0


async def _until_told_to_stop() -> None:
    """The proper end of a demo that stays up."""
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def _show_end_of(log: Path) -> None:
    print("\n".join(log.read_text(errors="replace").splitlines()[-15:]), file=sys.stderr)


def _show_addresses(around: Surroundings) -> None:
    keycloak = around.keycloak
    print(
        f"""
Talkdesk (stand-in)  {around.talkdesk.url}/      choose who is signed in, click an icon
Wallboard            {around.wallboard.url}/
Notes                {around.notes.url}/
Keycloak console     {keycloak.url}/admin/master/console/#/talkdesk   {keycloak.admin_username} / {keycloak.admin_password}
Broker               {around.broker_url}/health/ready

Ctrl-C ends everything.""",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m demo", description="A Talkdesk, a broker, a Keycloak, two apps.")
    parser.add_argument("--once", action="store_true", help="stop after the walk")
    arguments = parser.parse_args()
    return asyncio.run(_demo(once=arguments.once))


if __name__ == "__main__":
    sys.exit(main())
