"""`make bench`: measures, prints a table, and ends with 1 where a bound is missed."""

import sys

from benchmarks import draining, intake
from benchmarks.databases import backends
from benchmarks.result import Result, show


def main() -> int:
    """Everything on each database; `SQLite` or `PostgreSQL` as an argument measures that one alone."""
    results: list[Result] = []
    with backends() as all_of_them:
        for backend in all_of_them:
            if backend.name in sys.argv[1:] or not sys.argv[1:]:
                for part in (intake, draining):
                    results += part.measure(backend)
    show(results)
    return 0 if all(each.is_ok for each in results) else 1


if __name__ == "__main__":
    sys.exit(main())
