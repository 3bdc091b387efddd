"""Measure aez against the codecs that a user would pick instead, on any pictures, from real file bytes.

    pictures   files and folders -> RGB arrays
    rivals     the table of codecs
    metrics    PSNR, rate-distortion curves, BD-rate
    measure    sweep of qualities: bytes, PSNR, times
    report     measurements -> one dictionary (JSON) -> text table

`aecodec bench` is this on the command line; the scripts in benchmarks/ use the same parts.
"""
