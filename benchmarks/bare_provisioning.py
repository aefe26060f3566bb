"""The least that provisioning an installation can cost: the calls to Keycloak and Talkdesk that it needs, in order; a process of its own.

    python -m benchmarks.bare_provisioning

One plain HTTP client with its connections and an access token of Keycloak's in hand; nothing is kept, checked or tried again. Each line that comes in
names the requests of one installation; for each a line goes out, with the seconds that they took. `benchmarks.provisioning` starts it.
"""

import json
import sys
import time
from typing import Any

import httpx


def main() -> None:
    """Entry point."""
    with httpx.Client(trust_env=False, timeout=30) as client:
        for line in sys.stdin:
            asked = json.loads(line)
            began = time.perf_counter()
            _provision(client, asked)
            print(time.perf_counter() - began, flush=True)


def _provision(client: httpx.Client, asked: dict[str, Any]) -> None:
    admin = {"Authorization": f"Bearer {asked['admin_token']}"}
    for method, url, content in asked["keycloak"]:
        client.request(method, url, json=content, headers=admin).raise_for_status()
    token = client.post(asked["token_url"], data=asked["token_form"]).raise_for_status().json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    client.post(asked["answer_url"], json={"state": "approve"}, headers=headers).raise_for_status()


if __name__ == "__main__":
    main()
