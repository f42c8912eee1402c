"""Selectivity: which units prefer a domain, and what can be read from layers."""
