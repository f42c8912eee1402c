"""Notebooks run headless: paired with their sources, executed, judged stale by content."""
