"""Synthetic pictures, sounds, videos and conversations of the demo model (numpy, Pillow, libespeak-ng)."""
