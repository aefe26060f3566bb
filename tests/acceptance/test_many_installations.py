"""Many installations of as many customers, on a real Keycloak and the broker, both on PostgreSQL: provisioned from events, reconciled, used.

`TEST_INSTALLATIONS` says how many; `make soak` takes ten thousand. What it took is printed.
"""

import os
import time
from pathlib import Path

import pytest

from tests.many_installations import PATIENCE_S, Vendor, vendor
from tests.postgresql_server import PostgresqlServer
from tests.waiting import eventually

INSTALLATIONS = int(os.environ.get("TEST_INSTALLATIONS", "500"))
MIB = 2**20


@pytest.mark.timeout(0)  # as long as it gets on: `eventually_all` fails where it doesn't
async def test_a_vendor_with_many_customers(
    tmp_path: Path, postgresql: PostgresqlServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every event comes to an approved installation; a reconcile then finds nothing to do; one person is signed on, and out again."""
    began = time.perf_counter()
    async with vendor(tmp_path, postgresql) as made:
        started_s, idle_mib = time.perf_counter() - began, made.broker.resident_bytes / MIB
        began = time.perf_counter()
        await made.grow(INSTALLATIONS)
        provisioned_s, provisioned_mib = time.perf_counter() - began, made.broker.resident_bytes / MIB
        assert [each.answers for each in made.installations] == [["approve"]] * INSTALLATIONS

        began = time.perf_counter()
        reconciled = await made.command("broker", "reconcile")
        reconciled_s = time.perf_counter() - began
        assert reconciled.exit_code == 0, reconciled.output
        said = f"{INSTALLATIONS} identity providers and {INSTALLATIONS} installations were looked at: everything is as it should be."
        assert said in reconciled.output

        signed_on_s, signed_out_s = await sign_on_and_out(made)
        assert not made.broker.complaints(), made.broker.complaints()[:3]
        used_mib = made.broker.resident_bytes / MIB
        with capsys.disabled():
            print(
                f"\n{INSTALLATIONS} installations: started in {started_s:.0f} s; provisioned in {provisioned_s:.0f} s"
                f" ({provisioned_s / INSTALLATIONS * 1000:.0f} ms each); `broker reconcile` took {reconciled_s:.1f} s and"
                f" {reconciled.peak_bytes / MIB:.0f} MiB; one signed on in {signed_on_s * 1000:.0f} ms, and out in {signed_out_s * 1000:.0f} ms;"
                f" memory of the broker {idle_mib:.0f} MiB idle, {provisioned_mib:.0f} MiB when all were made, {used_mib:.0f} MiB at the end"
            )


async def sign_on_and_out(made: Vendor) -> tuple[float, float]:
    """Somebody of a customer in the middle; what both took."""
    installation = made.installations[len(made.installations) // 2]
    browser = made.browser(installation.users[0])
    try:
        began = time.perf_counter()
        await made.launch(browser, installation)
        signed_on_s = time.perf_counter() - began
        assert len(made.wallboard.signed_in) == 1
        began = time.perf_counter()
        await made.talkdesk.user_logout(installation.users[0])
        await eventually(lambda: not made.wallboard.signed_in, what="the person is out of the app", seconds=PATIENCE_S)
        return signed_on_s, time.perf_counter() - began
    finally:
        await browser.close()
