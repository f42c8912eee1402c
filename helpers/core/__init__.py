"""What knows nothing of vision: paths, profiles, downloads, caches, digests, errors."""
