#!/usr/bin/env bash
# Train the classic autoencoders as the shipped weights were trained, one after the other, and install them.
#
#     benchmarks/training/classic.sh MNIST FASHION PHOTOS VAL GREY RUNS [NAME...]
#
# MNIST, FASHION: folders of IDX files. PHOTOS, VAL: photographs to learn from, pictures to measure photo-denoise on. GREY:
# grey pictures to measure image-dense and image-conv on. RUNS: an empty folder for the runs. NAME: these alone.
# Published settings are the defaults of aecodec train with --full; what differs here is what gets to the same figures sooner.
set -euo pipefail
mnist=$1 fashion=$2 photos=$3 val=$4 grey=$5 runs=$6
shift 6
wanted=" $* "

one() { # name, then options of aecodec train
    local name=$1
    shift
    if [[ $wanted != "  " && $wanted != *" $name "* ]]; then return; fi
    aecodec train "$name" --full --out "$runs/$name" "$@"
    aecodec export "$runs/$name" --out weights
}

half=(-p precision=mixed_bfloat16)
one mnist-simple --data "$mnist" --epochs 20 --rate 3e-3 -p decay=0.7
one mnist-dense --data "$mnist" --epochs 12 --rate 2e-3 -p optimizer=adam -p decay=0.8
one mnist-level --data "$mnist" --epochs 12 --rate 2e-3 -p decay=0.7
one mnist-divide --data "$mnist" --epochs 4 --rate 2e-3 -p optimizer=adam -p decay=0.8
one image-dense --data "$photos" --val "$grey" --epochs 150 --batch 256 --rate 3e-3 -p optimizer=adam -p decay=0.9
one image-conv --data "$photos" --val "$grey" --epochs 12 --batch 128 --rate 3e-3 -p optimizer=adam -p decay=0.7
one mnist-conv-pool --data "$mnist" --epochs 8 --batch 64 --rate 2e-3 -p decay=0.8 "${half[@]}"
one mnist-conv --data "$mnist" --epochs 10 --batch 64 --rate 3e-3 -p decay=0.7 "${half[@]}"
one mnist-salt --data "$mnist" --epochs 4 --batch 64 --rate 2e-3 -p decay=0.8 "${half[@]}"
one mnist-denoise --data "$mnist" --epochs 3 --batch 64 --rate 2e-3 -p decay=0.8 "${half[@]}"
# Cross-entropy has a gradient where the last sigmoid is 1; the squared error has none there, and left white spots.
one fashion-conv --data "$fashion" --epochs 7 --batch 32 --rate 2e-3 -p decay=0.9 -p loss=binary_crossentropy
one fashion-vae --data "$fashion" --epochs 7 --batch 32 --rate 2e-3 -p decay=0.9 -p loss=binary_crossentropy
# The squared error learns fast, but loud noise counts most in it; the absolute one evens that out, but forgives the few
# lost pixels that it misses. So the squared error comes first and last, then with more salt noise.
if [[ $wanted == "  " || $wanted == *" photo-denoise "* ]]; then
    given=(--full --data "$photos" --val "$val" --batch 16 "${half[@]}")
    aecodec train photo-denoise --out "$runs/squared" --epochs 6 --rate 2e-3 -p decay=0.8 "${given[@]}" # stopped after 4
    aecodec train photo-denoise --out "$runs/even" --widen "$runs/squared" --epochs 5 --rate 1e-3 -p decay=1 -p loss=mae \
        --seed 1 "${given[@]}"
    one photo-denoise --widen "$runs/even" --epochs 2 --rate 6e-4 -p decay=1 -p salted=0.5 -p pictures=12000 --seed 3 \
        "${given[@]}"
fi
# 16 channels first, then the 256, 128 and 64 that are published, which begin with what the narrow ones have learned and
# take about five times as long for a step.
if [[ $wanted == "  " || $wanted == *" mnist-conv-7x7 "* ]]; then
    given=(--full --data "$mnist" --batch 32 "${half[@]}")
    aecodec train mnist-conv-7x7 --out "$runs/narrow" --epochs 3 --rate 1e-3 -p decay=0.8 -p pictures=40000 \
        -p filters="16 16 16 p 16 16 8:1 p 4 2:1 1:1" "${given[@]}"
    aecodec train mnist-conv-7x7 --out "$runs/wide" --widen "$runs/narrow" --epochs 1 --rate 6e-4 -p decay=0.9 \
        -p pictures=30000 "${given[@]}"
    one mnist-conv-7x7 --widen "$runs/wide" --epochs 1 --rate 4e-4 --seed 2 -p decay=0.9 -p pictures=45000 "${given[@]}"
fi
