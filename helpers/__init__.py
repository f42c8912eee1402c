"""Helpers of the open laboratory of contrastive learning and category selectivity."""
