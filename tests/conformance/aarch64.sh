#!/usr/bin/env bash
# Python 3.11 for aarch64, with what the package runs on there, into a new folder; for tests/conformance/test_portability.py.
# On Debian (x86-64), with the package python3-pip:
#   tests/conformance/aarch64.sh FOLDER && AECODEC_PYTHONS="$(cat FOLDER/command)" pytest -m slow tests/conformance/test_portability.py
# Nothing is installed outside the folder. qemu is that of Debian 13: ONNX Runtime 1.29 does not start under qemu 7.2.
set -euo pipefail
mkdir "$1"
cd "$1"

unpack() { # ARCHITECTURE SUITE FOLDER PACKAGE...: packages of Debian, with what they need, into a folder
  mkdir -p "$3/root" "$3/lists/partial" "$3/cache/archives/partial"
  touch "$3/status"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $2 main" > "$3/sources.list"
  local options=(-q -y -o APT::Architecture="$1" -o APT::Architectures::="$1" -o Dir::State="$PWD/$3" -o Dir::Cache="$PWD/$3/cache"
    -o Dir::State::status="$PWD/$3/status" -o Dir::Etc::SourceList="$PWD/$3/sources.list" -o Dir::Etc::SourceParts=/dev/null)
  apt-get "${options[@]}" update
  apt-get "${options[@]}" install --download-only --no-install-recommends "${@:4}"
  for package in "$3"/cache/archives/*.deb; do dpkg-deb -x "$package" "$3/root"; done
}

unpack amd64 trixie qemu qemu-user
unpack arm64 bookworm python python3 libstdc++6
python3 -m pip download -q -d wheels --no-deps --only-binary=:all: --python-version 3.11 \
  --platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --platform manylinux_2_28_aarch64 \
  numpy pillow zstandard onnxruntime
root=$PWD/python/root
for wheel in wheels/*.whl; do python3 -m zipfile -e "$wheel" "$root/usr/lib/python3/dist-packages"; done
echo "env PYTHONHOME=$root/usr $PWD/qemu/root/usr/bin/qemu-aarch64 -cpu cortex-a72 -L $root $root/usr/bin/python3.11" > command
