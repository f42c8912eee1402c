"""Shared decodable concepts: clusters of decoder weights that several participants share."""
