"""Floor 3. Channels: paths of pictures through the layers, and how far they part."""
