"""What `make bench` measures (docs/benchmarks.md): how fast events are accepted, and how fast due tasks are carried out."""
