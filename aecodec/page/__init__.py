"""What the pages of `aecodec bench` and `aecodec serve` share: zoom.js, which each reads before its own scripts."""

from pathlib import Path

ZOOM = Path(__file__).parent / "zoom.js"
