"""The classic autoencoders as codecs, denoisers and generators: NumPy, zstd and LiteRT, no training framework."""
