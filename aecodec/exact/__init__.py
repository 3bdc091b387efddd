"""Tiles that are stored as pixels, in lossless WebP, and images of nothing else."""
