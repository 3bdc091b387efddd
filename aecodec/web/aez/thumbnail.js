// Small images: a linear map from the latents (aecodec/model/thumbnail.py), or means over squares of pixels.

import { UnsupportedError } from "./errors.js";

const FACTORS = [1, 2, 4, 8, 16]; // edges in pixels of the squares that become a pixel
const { fround } = Math;

/** The edge of the square that becomes a pixel at a scale; a RangeError for another scale. */
export function factorOf(scale) {
  const factor = FACTORS.find((edge) => edge * scale === 1);
  if (!factor) throw new RangeError(`scale: ${scale}, expected 1, 1/2, 1/4, 1/8 or 1/16`);
  return factor;
}

/** RGBA { width, height, data } -> means over squares of factor x factor pixels, colours weighted by alpha. */
export function reduced({ width, height, data }, factor) {
  if (factor === 1) return { width, height, data };
  const columns = Math.ceil(width / factor), rows = Math.ceil(height / factor), out = new Uint8ClampedArray(4 * columns * rows);
  const mean = (sum, weight) => Math.floor((sum + Math.floor(weight / 2)) / Math.max(weight, 1));
  const sums = new Float64Array(4);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++) {
      const bottom = Math.min((row + 1) * factor, height), right = Math.min((column + 1) * factor, width);
      let count = 0;
      sums.fill(0);
      for (let y = row * factor; y < bottom; y++)
        for (let x = column * factor; x < right; x++, count++) {
          const at = 4 * (y * width + x), alpha = data[at + 3];
          for (let c = 0; c < 3; c++) sums[c] += data[at + c] * alpha;
          sums[3] += alpha;
        }
      const at = 4 * (row * columns + column);
      for (let c = 0; c < 3; c++) out[at + c] = mean(sums[c], sums[3]);
      out[at + 3] = mean(sums[3], count);
    }
  return { width: columns, height: rows, data: out };
}

/** weights (9 K, 12) of the coarse channels of 3x3 latents, bias (12,): the means of 8x8 pixels of a latent's square, less 128. */
export class ThumbnailMap {
  static async open(arrays) {
    const map = new ThumbnailMap();
    for (const name of ["weights", "bias"]) map[name] = Float32Array.from((await arrays(name)).data, half);
    return map;
  }

  /**
   * The coarse channels of y_hat at unit gain, height x width x K -> RGBA of 16 height / factor x 16 width / factor pixels.
   * known: Uint8Array of height x width, 1 where a latent is there; one that is not counts as that in the middle.
   */
  apply(y, known, { height, width }, factor) {
    const per = 16 / factor, K = this.weights.length / 108, outputs = 3 * per * per, [weights, bias] = this.averaged(per);
    const image = { width: width * per, height: height * per, data: new Uint8ClampedArray(4 * height * width * per * per).fill(255) };
    const levels = new Float64Array(outputs);
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        levels.set(bias);
        for (let near = 0; near < 9; near++) {
          const r = row + Math.floor(near / 3) - 1, c = column + (near % 3) - 1;
          const there = r >= 0 && c >= 0 && r < height && c < width && known[r * width + c];
          const at = K * (there ? r * width + c : row * width + column);
          for (let k = 0, w = near * K * outputs; k < K; k++)
            for (let o = 0; o < outputs; o++) levels[o] += y[at + k] * weights[w++];
        }
        for (let o = 0; o < outputs; o++) {
          const x = column * per + (Math.floor(o / 3) % per), line = row * per + Math.floor(o / 3 / per);
          image.data[4 * (line * image.width + x) + (o % 3)] = levels[o]; // rounded to the nearest and clipped
        }
      }
    return image;
  }

  // Weights and bias of so many pixels along a latent's edge: means, where one pixel stands for the whole square.
  averaged(per) {
    if (per === 2) return [this.weights, this.bias.map((b) => b + 128)];
    const means = (a) => Float32Array.from({ length: a.length / 4 }, (_, i) => {
      const at = 12 * Math.floor(i / 3) + (i % 3);
      return (a[at] + a[at + 3] + a[at + 6] + a[at + 9]) / 4;
    });
    return [means(this.weights), means(this.bias).map((b) => b + 128)];
  }
}

// A float16 from its bits.
function half(bits) {
  const size = (bits >> 10) & 31, rest = bits & 1023;
  if (size === 31) throw new UnsupportedError("thumbnail: a weight is not finite");
  return fround((bits >> 15 ? -1 : 1) * (size ? 2 ** (size - 15) * (1 + rest / 1024) : (2 ** -14 * rest) / 1024));
}
