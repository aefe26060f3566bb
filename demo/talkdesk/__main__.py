"""`python -m demo.talkdesk`: the stand-in as a process, with its web page and the control API."""

import argparse
import asyncio
import contextlib
import signal

from demo.talkdesk.people import notes, wallboard
from demo.talkdesk.stand_in import StandIn


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m demo.talkdesk", description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--events-url", required=True, help="where events are sent")
    parser.add_argument("--standalone-url", required=True, help="what an icon opens")
    parser.add_argument("--redirect-url", required=True, help="the one redirect URL")
    parser.add_argument("--public-url", help="the base of all links; default: where it listens")
    parser.add_argument("--retry-factor", type=float, default=1.0, help="multiplies the waits before retries")
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    urls = {
        "events_url": arguments.events_url,
        "standalone_url": arguments.standalone_url,
        "redirect_url": arguments.redirect_url,
    }
    stand_in = StandIn(
        apps=(wallboard(**urls), notes(**urls)),
        port=arguments.port,
        page_url=arguments.public_url,
        retry_factor=arguments.retry_factor,
    )
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    await stand_in.start()
    print(f"Talkdesk (stand-in): {stand_in.state.addresses.page}/  control: {stand_in.url}/control/state", flush=True)
    await stopped.wait()
    await stand_in.stop()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(_arguments()))
