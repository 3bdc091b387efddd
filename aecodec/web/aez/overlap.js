// The filter across the borders of 16x16 squares: the overlap of a lapped transform (aecodec/model/lapped.py).

const REACH = 8; // samples on either side of a border
const EIGHTHS = 8; // of a level: the unit of the samples that come out of the synthesis
const ROUND = 1.5 * 2 ** 52; // added and taken off again, it rounds to the nearest integer, halves to the even one

/** To the nearest integer, as NumPy's rint. */
export const rint = (x) => x + ROUND - ROUND;

// One border, whose first sample behind it is x[at]; `step` leads to the next. What mirrors onto itself stays, what
// changes sign is multiplied by v (8, 8).
function filter(x, at, step, v, differences) {
  for (let i = 0, a = at - step, b = at; i < REACH; i++, a -= step, b += step) {
    differences[i] = x[a] - x[b];
    x[b] += x[a]; // the sum, for a while
  }
  for (let j = 0, a = at - step, b = at; j < REACH; j++, a -= step, b += step) {
    let changed = 0;
    for (let i = 0; i < REACH; i++) changed += differences[i] * v[REACH * i + j];
    const sum = x[b];
    x[a] = (sum + changed) / 2;
    x[b] = (sum - changed) / 2;
  }
}

function alongRows(x, { width, height }, v) {
  const row = 3 * width, differences = new Float64Array(REACH);
  for (let top = 0; top < height; top++)
    for (let at = 6 * REACH; at < row; at += 6 * REACH)
      for (let c = 0; c < 3; c++) filter(x, top * row + at + c, 3, v, differences);
}

function alongColumns(x, { width, height }, v) {
  const row = 3 * width, differences = new Float64Array(REACH);
  for (let top = 2 * REACH; top < height; top += 2 * REACH)
    for (let at = top * row; at < (top + 1) * row; at++) filter(x, at, row, v, differences);
}

// Filters eighths of levels, Float32Array of height x width x 3, sides multiples of 16, in place. They are rounded, and so
// is what comes between rows and columns; v are multiples of 2^-9; so no sum is rounded.
function inIntegers(x, size, v) {
  const limit = largest(v);
  for (let i = 0; i < x.length; i++) x[i] = Math.min(Math.max(rint(x[i]), -limit), limit);
  alongRows(x, size, v);
  for (let i = 0; i < x.length; i++) x[i] = rint(x[i]);
  alongColumns(x, size, v);
}

/** Eighths of levels, from the synthesis -> RGB, filtered and rounded down. Changes x. */
export function overlapToPixels(x, size, v) {
  inIntegers(x, size, v);
  const pixels = new Uint8Array(x.length);
  for (let i = 0; i < x.length; i++) pixels[i] = Math.min(Math.max(x[i], 0), 255 * EIGHTHS) / EIGHTHS;
  return pixels;
}

/** RGB in levels, Float32Array -> whole levels for the analysis, filtered in place. */
export function overlapOfPixels(x, size, v) {
  for (let i = 0; i < x.length; i++) x[i] *= EIGHTHS;
  inIntegers(x, size, v);
  for (let i = 0; i < x.length; i++) x[i] = rint(x[i] / EIGHTHS);
}

// How many eighths may enter the filters, so that float32 holds every sum of multiples of 2^-10.
function largest(v) {
  let gain = 0; // in 2^-10
  for (let j = 0; j < REACH; j++) {
    let sum = 0;
    for (let i = 0; i < REACH; i++) {
      const one = i === j ? 1 : 0, factor = v[REACH * i + j];
      sum += 512 * (Math.abs(one + factor) + Math.abs(one - factor));
    }
    gain = Math.max(gain, sum);
  }
  return Math.floor(((2 ** 24 - gain) * 2 ** 10) / gain ** 2);
}
