"""Style of figures, panels that several notebooks draw, and the claims table with its verdicts."""
