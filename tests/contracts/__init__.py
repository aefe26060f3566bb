"""One suite a port; it judges the real adapter and its twins alike."""
