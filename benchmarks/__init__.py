"""What `make bench` measures: docs/performance.md says how, and what came of it."""
