"""Measure aez against the codecs that a user would pick instead, on any images, from real file bytes.

    images     files and folders -> RGB arrays
    codecs       the table of codecs, by libraries that a user can install; the classic autoencoders join it
    metrics      the table of metrics;  curves: BD-rate
    aims         sweep of qualities, given qualities, or a search for a rate or a PSNR
    measure      one codec, one image, one quality -> a point;  cache: points that are known already
    speed        MP/s on one core and all, peak memory
    run          all of it over images -> report: one dictionary (JSON) -> table, CSV, plots
    comparisons  what codecs make of an image in equal bytes -> page: one HTML file

`aecodec bench` is this on the command line; the scripts in benchmarks/ use the same parts.
"""
