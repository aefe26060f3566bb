"""The page on performance promises what `make bench` demands."""

import re

from benchmarks import draining, installations, intake, launch, provisioning, relay, sign_out, start, sustained
from benchmarks.__main__ import PARTS
from benchmarks.databases import LEAST_DRAINED
from tests.unit.test_docs import names_in, table

BOUNDS = [
    ("intake", [intake.LEAST_RATIO]),
    ("intake", [intake.MOST_P99_MS]),
    ("draining", list(LEAST_DRAINED.values())),
    ("draining", [draining.MOST_GROWTH_MIB]),
    ("relay", [relay.MOST_P99_MS]),
    ("sign_out", [sign_out.MOST_RATIO]),
    ("launch", [launch.MOST_RATIO]),
    ("provisioning", [provisioning.MOST_RATIO]),
    ("sustained", [sustained.MOST_SHARE]),
    ("start", [start.MOST_S]),
    ("start", [start.MOST_IDLE_MIB]),
    ("installations", [installations.MOST_LAUNCH_RATIO]),
    ("installations", [installations.MOST_RECONCILE_RATIO]),
    ("installations", [installations.MOST_MIB]),
]


def test_the_bounds_are_those_that_are_measured() -> None:
    """Part by part, in the order of the table; every part has one."""
    documented = [
        (names_in(part)[0], [float(number) for number in re.findall(r"\d+(?:\.\d+)?", bound)])
        for part, _, bound in table("performance.md", "part")[: len(BOUNDS)]
    ]
    assert documented == BOUNDS
    assert {part for part, _ in BOUNDS} == set(PARTS)
