"""Typed profiles: one module per paper, one for the data; unknown keys are errors."""
