"""Where networks look: maps of saliency, and how much of them lies left and right."""
