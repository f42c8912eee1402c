"""Floor 4. The drawn demo universe: pictures written to disk in the layouts of the real sets."""

from helpers.universe.write import write_diet, write_faces_diet, write_localizer, write_probe

__all__ = ["write_diet", "write_faces_diet", "write_localizer", "write_probe"]
