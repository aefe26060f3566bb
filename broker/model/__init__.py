"""What the broker knows: frozen data and pure functions, no input or output."""
