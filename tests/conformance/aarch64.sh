#!/usr/bin/env bash
# Python 3.11 for aarch64, with what the package runs on there, into a new folder; for tests/conformance/test_portability.py.
# On Debian 12, with the packages qemu-user-static and python3-pip:
#   tests/conformance/aarch64.sh FOLDER && AECODEC_PYTHONS="$(cat FOLDER/command)" pytest -m slow tests/conformance/test_portability.py
# Nothing is installed outside the folder. LiteRT 1.4, because later ones do not start under qemu 7.2.
set -euo pipefail
mkdir "$1"
cd "$1"
mkdir -p root apt/lists/partial apt/cache/archives/partial wheels
touch apt/status
options=(-o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State="$PWD/apt"
  -o Dir::State::lists="$PWD/apt/lists" -o Dir::State::status="$PWD/apt/status" -o Dir::Cache="$PWD/apt/cache")
apt-get -q "${options[@]}" update
apt-get -q -y "${options[@]}" install --download-only --no-install-recommends python3 libstdc++6
for package in apt/cache/archives/*.deb; do dpkg-deb -x "$package" root; done
python3 -m pip download -q -d wheels --no-deps --only-binary=:all: --python-version 3.11 \
  --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux_2_28_aarch64 \
  numpy pillow zstandard ai-edge-litert==1.4.0 flatbuffers protobuf typing_extensions tqdm ml_dtypes backports.strenum
for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" root/usr/lib/python3/dist-packages; done
echo "env PYTHONHOME=$PWD/root/usr qemu-aarch64-static -cpu cortex-a72 -L $PWD/root $PWD/root/usr/bin/python3.11" > command
