"""The learned codec, from pixels to the bitstreams of tiles and back.

    pixels --> windows --> analysis --> y (--> refine.py) --> tiles, each for itself:
                                              y * gain --> hyper_analysis --> z --> scale net --> scale indexes
                                                      '--> code: r = round(y - mu), four steps       |
                                              z, r ------------------- entropy coder <---------------+--> container
    bytes --> container --> tiles: z, scale indexes, r --> code: y_hat = r + mu --> / gain
                                              --> y_hat --> windows --> synthesis --> pixels

Tiles of 16x16 latents (256x256 pixels) are coded each for itself.
"""
