"""Notebooks as files: paired, executed, judged fresh by content."""
