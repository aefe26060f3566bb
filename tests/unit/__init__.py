"""Units: pure functions, and adapters on an imitated wire."""
