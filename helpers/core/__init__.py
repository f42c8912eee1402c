"""Cache, digests, paths, errors, console, provenance, statistics: nothing of vision."""
