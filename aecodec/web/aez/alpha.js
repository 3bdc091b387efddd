// The alpha plane, which is stored beside the tiles and without loss.

import { CorruptError, UnsupportedError } from "./errors.js";
import { unzstd } from "./zstd.js";

/** The alpha plane of a chunk ALPH: Uint8Array of width x height. */
export function alphaOf(data, width, height) {
  if (!data.length) throw new CorruptError("chunk ALPH: no bytes, expected a coding");
  const coding = data[0], size = width * height;
  if (coding === 0) {
    if (data.length !== 2) throw new CorruptError(`chunk ALPH: ${data.length} bytes, expected 2 for a constant`);
    return new Uint8Array(size).fill(data[1]);
  }
  if (coding > 4) throw new UnsupportedError(`chunk ALPH: coding ${coding}, expected 0 to 4`);
  const plane = unzstd(data.subarray(1), size);
  if ((coding - 1) & 1) for (let i = 0; i < size; i++) if (i % width) plane[i] += plane[i - 1];
  if ((coding - 1) & 2) for (let i = width; i < size; i++) plane[i] += plane[i - width];
  return plane;
}
