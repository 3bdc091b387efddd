"""Measure aez against the codecs that a user would pick instead, on any images, from real file bytes.

    images       files and folders -> RGB or grey arrays
    codecs       the table of codecs, by libraries that a user can install, and the classic autoencoders
    metrics      the table of metrics;  curves: BD-rate
    targets      which files are made: a sweep of qualities, given qualities, or a search for a rate or a PSNR
    measure      one codec, one image, one quality -> a point;  cache: points of earlier runs
    speed        MP/s on one core and all, peak memory
    run          all of it over images -> report: one dictionary (JSON) -> table, CSV, plots
    comparisons  the image by every codec in equally many bytes -> page: one HTML file

The command `aecodec bench` and the scripts in benchmarks/ are built on these modules.
"""
