// The symbols of one tile in the order of FORMAT.md, section 8.3: z, then r, whose tables follow from z.

import { CorruptError } from "./errors.js";
import { RangeDecoder } from "./rangedecoder.js";

export const Z_MAX = 63;
const SCALES = 64, PLANES = 15; // bits of an escaped value after its leading one, at most

/**
 * tables: { z, r, reach, bit, coarse }, tables of the channels of z and of the scale indexes, K of each of these, and
 * which of the channels of r come first, an array of 0 and 1.
 */
export class TileDecoder {
  constructor(bytes, tables) {
    if (bytes.length && !bytes[bytes.length - 1]) throw new CorruptError("bitstream: ends with a zero byte, which writers leave out");
    this.coder = new RangeDecoder(bytes);
    this.tables = tables;
  }

  /** Hyper-latents of so many positions: Float32Array, positions x Z. */
  z(positions) {
    const { z } = this.tables, out = new Float32Array(positions * z.length), plane = new Uint16Array(positions);
    for (let channel = 0; channel < z.length; channel++) {
      this.coder.decode(z[channel], plane, 0, positions);
      for (let i = 0; i < positions; i++) out[i * z.length + channel] = plane[i] - Z_MAX;
    }
    return out;
  }

  /** Residuals of scale indexes, Uint8Array of M channels -> Float32Array; CorruptError where the bitstream does not end with them. */
  r(indexes) {
    const out = this.residuals(indexes, Array.from(this.tables.coarse, (coarse) => 1 - coarse), 2);
    if (!this.coder.exhausted) throw new CorruptError("bitstream: symbols end before the data does");
    return out;
  }

  /** The same of the coarse channels alone, with which the bitstream goes on. */
  coarseR(indexes, channels) {
    return this.residuals(indexes, new Array(channels).fill(0), 1);
  }

  // part: of the bitstream, in which of so many parts a channel's residuals are. They are grouped by part and scale index.
  residuals(indexes, part, parts) {
    const { r, reach } = this.tables, groups = parts * SCALES, bounds = new Uint32Array(groups + 1), channels = part.length;
    const each = (call) => {
      for (let at = 0, m = 0; at < indexes.length; at++, m = m + 1 === channels ? 0 : m + 1)
        if (indexes[at]) call(SCALES * part[m] + indexes[at], at); // what has index 0 is not coded
    };
    each((group) => bounds[group + 1]++);
    for (let i = 1; i <= groups; i++) bounds[i] += bounds[i - 1];
    const next = bounds.slice(), positions = new Uint32Array(bounds[groups]), values = new Int32Array(bounds[groups]);
    each((group, at) => (positions[next[group]++] = at));
    for (let first = 0; first < groups; first += SCALES) {
      const escaped = [];
      for (let i = 1; i < SCALES; i++) {
        const [from, to] = bounds.subarray(first + i, first + i + 2);
        this.coder.decode(r[i], values, from, to);
        for (let n = from; n < to; n++) {
          values[n] -= reach[i];
          if (values[n] > reach[i]) escaped.push({ n, reach: reach[i], length: 0, size: 1 });
        }
      }
      if (escaped.length) this.escapes(escaped, values);
    }
    const out = new Float32Array(indexes.length);
    for (let n = 0; n < positions.length; n++) out[positions[n]] = values[n];
    return out;
  }

  escapes(escaped, values) {
    const bits = new Uint8Array(escaped.length);
    const each = (some, take) => {
      this.coder.decode(this.tables.bit, bits, 0, some.length);
      some.forEach((one, i) => take(one, bits[i]));
    };
    for (let plane = 0; plane < PLANES; plane++)
      each(escaped.filter(({ length }) => length >= plane), (one, bit) => (one.length += bit));
    for (let plane = PLANES - 1; plane >= 0; plane--)
      each(escaped.filter(({ length }) => length > plane), (one, bit) => (one.size = 2 * one.size + bit));
    each(escaped, (one, bit) => (values[one.n] = (bit ? -1 : 1) * (one.reach + one.size)));
  }
}
