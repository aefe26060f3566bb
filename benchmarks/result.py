"""A measured number beside its bound."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Result:
    """One line of the table."""

    database: str
    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def is_ok(self) -> bool:
        """Within its bound; what has none is told for information."""
        return (self.at_least is None or self.value >= self.at_least) and (
            self.at_most is None or self.value <= self.at_most
        )

    @property
    def bound(self) -> str:
        """The bound in words."""
        if self.at_least is not None:
            return f"≥ {self.at_least:g}"
        return "" if self.at_most is None else f"≤ {self.at_most:g}"

    @property
    def verdict(self) -> str:
        """Whether it holds."""
        if not self.bound:
            return ""
        return "[green]ok[/green]" if self.is_ok else "[red]missed[/red]"


def show(results: Sequence[Result]) -> None:
    """Print them."""
    table = Table("database", "what", "", "bound", "")
    table.columns[2].justify = table.columns[3].justify = "right"
    for each in results:
        number = f"{each.value:,.2f}" if abs(each.value) < 10 else f"{each.value:,.0f}"
        table.add_row(each.database, each.what, f"{number} {each.unit}".strip(), each.bound, each.verdict)
    Console().print(table)
