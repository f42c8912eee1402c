"""Saliency: attribution maps, hemifield occlusion, and laterality."""
