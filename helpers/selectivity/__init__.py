"""Selectivity: units that prefer a domain, how they are distributed, and probes of layers."""
