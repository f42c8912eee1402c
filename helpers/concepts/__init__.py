"""Floor 3. What brains share: concepts that several participants' decoders have in common."""
