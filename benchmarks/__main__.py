"""`make bench`: measures, prints a table, and ends with 1 where a bound is missed.

    python -m benchmarks [SQLite | PostgreSQL] [PART …]

Named databases and parts are measured alone.
"""

import sys
from collections.abc import Sequence

from benchmarks import draining, installations, intake, launch, provisioning, relay, sign_out, start, sustained
from benchmarks.databases import backends
from benchmarks.result import Result, show

PARTS = {
    "intake": intake,
    "draining": draining,
    "relay": relay,
    "sign_out": sign_out,
    "launch": launch,
    "provisioning": provisioning,
    "sustained": sustained,
    "start": start,
    "installations": installations,
}


def main(wanted: Sequence[str]) -> int:
    """Everything on each database, unless something is named."""
    results: list[Result] = []
    with backends() as all_of_them:
        databases = {each.name: each for each in all_of_them}
        if unknown := [name for name in wanted if name not in databases and name not in PARTS]:
            sys.exit(f"there is no {unknown[0]}: {', '.join([*databases, *PARTS])}")
        for database in [name for name in wanted if name in databases] or databases:
            for part in [name for name in wanted if name in PARTS] or PARTS:
                results += PARTS[part].measure(databases[database])
    show(results)
    return 0 if all(each.is_ok for each in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
