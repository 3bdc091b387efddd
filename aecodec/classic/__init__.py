"""The classic autoencoders as codecs, denoisers and generators: NumPy, zstd and ONNX Runtime, no training framework."""
