"""`broker check`: one small function a line, each with the mend where something is not as it should be."""
