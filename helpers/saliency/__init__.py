"""Attribution maps of fine-tuned networks, and whether they prefer one half of the image.

Grad-CAM as published (Mulrooney & Brockmeier 2024), HiResCAM and hemifield occlusion, on images and
their mirror images. `study` is what notebooks call.
"""
