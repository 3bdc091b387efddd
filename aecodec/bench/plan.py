"""What a run of the bench measures, and how."""

from collections.abc import Sequence
from dataclasses import dataclass

from aecodec.bench.cache import Cache
from aecodec.bench.codecs import Codec
from aecodec.bench.metrics import Metric
from aecodec.bench.published import Published
from aecodec.bench.targets import Target

_SWEEP = Target()  # immutable


@dataclass(frozen=True)
class Plan:
    """Codecs and metrics in the order of the report; points that the cache has are not measured again."""

    codecs: Sequence[Codec]
    metrics: Sequence[Metric]
    cache: Cache
    target: Target = _SWEEP
    repeats: int = 3  # rounds of the speed measurement, by one process on the largest image; 0: no speeds
    jobs: int = 1  # processes that share the images and codecs
    max_side: int | None = None  # pixels: of larger images the centre is measured
    published: Sequence[Published] = ()  # curves that join the mean
