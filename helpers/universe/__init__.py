"""Floor 4. The drawn demo universe: pictures written to disk in the layouts of the real sets."""
