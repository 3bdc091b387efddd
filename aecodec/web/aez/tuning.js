// Tunings (aecodec/model/tuning.py): the visual one weighs channels, and codes a delta for each cell of 4x4 latents.

import { Z_MAX } from "./entropy.js";
import { ModelError } from "./errors.js";
import { HYPER } from "./geometry.js";
import { readNpz } from "./npz.js";

export const PSNR = 0, VISUAL = 1; // as the header has them
export const FILE = "visual.npz";
export const AXIS = 4096; // the header's quality is a qindex, which is less, plus so many times the tuning

const OCTAVE = 8; // deltas to a factor of two
const ROOTS = Float32Array.from({ length: OCTAVE }, (_, i) => 2 ** (i / OCTAVE));

// Arrays that the visual tuning may have of its own.
const OWN = ["z_tables", "offset", "biases", "steps", "log_gain", "log_gain_inverse"];

/**
 * The bytes of the tuning's file -> the numbers of the model in it: those that it has of its own take the place of others.
 * With them `log_weight`, Float32Array (M,), and `deltas`, Uint32Array (127,), their frequencies.
 */
export async function openVisual(bytes, numbers) {
  const arrays = readNpz(bytes), [, channels] = numbers.log_gain.shape, own = { ...numbers };
  for (const name of OWN) {
    const array = await arrays(name);
    if (array && (`${array.shape}` !== `${numbers[name].shape}` || array.data.constructor !== numbers[name].data.constructor))
      throw new ModelError(`${FILE}: ${name}: expected such an array as numbers.npz has, of finite numbers`);
    if (array) own[name] = array;
  }
  const [weights, deltas] = await Promise.all([arrays("log_weight"), arrays("deltas")]);
  const log_weight = weights?.data ?? (own.log_gain !== numbers.log_gain ? new Float32Array(channels) : null);
  if (!(log_weight instanceof Float32Array) || log_weight.length !== channels)
    throw new ModelError(`${FILE}: expected ${channels} weights as float32`);
  if (!(deltas?.data instanceof Uint32Array) || deltas.data.length !== 2 * Z_MAX + 1)
    throw new ModelError(`${FILE}: expected frequencies of ${2 * Z_MAX + 1} deltas as uint32`);
  return { ...own, log_weight, deltas: deltas.data };
}

/** Divides y_hat, Float32Array of 4 rows x 4 columns x M, by 2^(delta / 8); deltas: those of rows x columns cells. */
export function divide(y, deltas, columns, latent) {
  for (let at = 0, line = 0; at < y.length; line++)
    for (let x = 0; x < columns; x++) {
      const delta = -deltas[Math.floor(line / HYPER) * columns + x];
      const factor = ROOTS[delta & (OCTAVE - 1)] * 2 ** Math.floor(delta / OCTAVE);
      for (const end = at + HYPER * latent; at < end; at++) y[at] *= factor;
    }
}
