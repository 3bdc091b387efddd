"""The classic autoencoders in Keras: a small vocabulary of layers, one table of entries, data, loop, export."""
