"""The learned codec, from pixels to the bitstreams of tiles and back.

    encoder.py   pixels --> windows --> analysis --> y (--> refine.py, some steps) --> tiles
    tilecoder.py                  y * gain --> hyper-analysis --> z --> hyper-synthesis --> scale indexes
                                         '--> r = round(y - mu), in four steps                  |
                                              z, r -------------- entropy coder <---------------+--> bitstream
                 bitstream --> z, scale indexes, r --> y_hat = r + mu --> / gain --> y_hat
    decoder.py   y_hat --> windows --> synthesis --> pixels

    rate_control.py  encodes at the quality that meets a target: search.py measures where forecast.py expects it
    family.py        all of it as one family of models

Tiles of 16x16 latents (256x256 pixels) are coded each for itself.
"""
