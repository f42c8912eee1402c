"""Networks that differ in their training objective alone: selectivity compared (Lu & Wang 2025)."""
