// A model: its tables, and what depends on the quality (aecodec/model/model.py).

import { CorruptError, ModelError } from "./errors.js";
import { Networks } from "./networks.js";
import { readNpz } from "./npz.js";
import { overlapOfPixels, overlapToPixels, rint } from "./overlap.js";
import { rangeTable } from "./rangedecoder.js";
import { sha256 } from "./sha256.js";
import { ThumbnailMap } from "./thumbnail.js";
import { AXIS, divide, FILE, openVisual, PSNR, VISUAL } from "./tuning.js";

const { fround } = Math;
const SMALL = ["thumbnail.npz", "coarse_scales.onnx", "coarse_reconstruct.onnx"]; // what small images need
const NUMBERS = [
  "z_tables", "r_sizes", "r_tables", "coarse", "offset", "biases", "steps", "log_gain", "log_gain_inverse", "sample_offset", "overlap_post", "overlap_pre",
];

export class Model {
  /** entry: of the manifest; read: file name -> promise of its bytes, checked; runtime: -> promise of ONNX Runtime. */
  static async open(entry, read, runtime) {
    const model = new Model();
    model.networks = new Networks(read, runtime);
    for (const name of ["scales", "reconstruct", "synthesis"]) model.networks.session(name); // all are fetched at once
    const [numbers, visual] = await Promise.all([read("numbers.npz"), FILE in entry.files ? read(FILE) : null]);
    const arrays = readNpz(numbers);
    model.numbers = Object.fromEntries(await Promise.all(NUMBERS.map(async (name) => [name, await arrays(name)])));
    const missing = NUMBERS.find((name) => !model.numbers[name]);
    if (missing) throw new ModelError(`model: no array ${missing}`);
    [, model.hyper] = model.numbers.z_tables.shape;
    [model.knots, model.latent] = model.numbers.log_gain.shape;
    model.visual = visual && (await openVisual(visual, model.numbers)); // the numbers in the visual tuning
    const { blocks8, synthesis_blocks16 } = entry.shape ?? {};
    model.synthesisHalo = Math.ceil((blocks8 + 2 * synthesis_blocks16 + 1) / 2); // latents, overlap included
    if (!(model.synthesisHalo > 0)) throw new ModelError("model: shape without blocks8 or synthesis_blocks16 in the manifest");
    model.points = new Map();
    await model.selfTest(entry.self_test);
    model.thumbnail = async () => {
      if (!SMALL.every((file) => entry.auxiliary?.[file])) return null;
      return (model.small ??= await ThumbnailMap.open(readNpz(await read("thumbnail.npz"))));
    };
    return model;
  }

  /** The end of the quality axis, in 1/256 of a knot. */
  get maxQindex() { return 256 * (this.knots - 1); }

  // Throws unless the runtime computes the scale indexes, which files are parsed by, that aecodec computes.
  async selfTest(expected) {
    const indexes = new Blob(await Promise.all([0, (this.maxQindex >> 1) + 85, this.maxQindex].map(async (qindex) => {
      const z = Float32Array.from({ length: 32 * this.hyper }, (_, i) => ((i * 37) % 127) - 63), half = z.length / 2;
      return new Blob([await this.at(qindex).scaleIndexes(z.subarray(0, half), 4, 4), await this.at(qindex).scaleIndexes(z.subarray(half), 4, 4)]);
    })));
    const sum = await sha256(await indexes.arrayBuffer());
    if (sum !== expected) throw new ModelError(`the runtime computes other integers here: self-test ${sum.slice(0, 16)}, expected ${expected?.slice(0, 16)}`);
  }

  /** The model at a header's quality. CorruptError for what this model never writes. */
  at(quality) {
    const tuning = Math.floor(quality / AXIS), qindex = quality % AXIS, last = this.visual ? VISUAL : PSNR;
    if (tuning > last || qindex > this.maxQindex)
      throw new CorruptError(`header: quality ${qindex} in tuning ${tuning}, expected at most ${this.maxQindex}, in tuning ${last}`);
    if (!this.points.has(quality)) this.points.set(quality, new QualityPoint(this, qindex, tuning === VISUAL ? this.visual : null, every(this.latent)));
    return this.points.get(quality);
  }
}

const every = (latent) => new Array(latent).fill(true);

class QualityPoint {
  // visual: the numbers of the model in its visual tuning, null in the other; channels: which of those of y it has to do with.
  constructor(model, qindex, visual, channels) {
    const numbers = visual ?? model.numbers, its = (row) => row.filter((_, m) => channels[m]);
    const offsets = its(betweenKnots(numbers.offset, qindex)), latent = offsets.length;
    Object.assign(this, { model, latent, coarse: () => new CoarsePoint(model, qindex, visual, model.numbers.coarse.data) });
    this.hasDeltas = visual !== null;
    this.tables = tablesOf(numbers, (qindex + 128) >> 8);
    if (visual) this.tables.z.push(rangeTable(visual.deltas)); // the deltas are one more channel of z
    this.offsets = new Int32Array(16 * latent).map((_, i) => offsets[i % latent]);
    this.biases = betweenKnots(numbers.biases, qindex);
    this.steps = between(numbers.steps, qindex);
    const gain = (knots, sign) => between(knots, qindex).map((x, m) => exponential(visual ? fround(x + sign * visual.log_weight[m]) : x));
    this.gain = gain(numbers.log_gain, 1);
    this.inverseGain = its(gain(numbers.log_gain_inverse, -1));
  }

  /** Hyper-latents, Float32Array of rows x columns x Z, the deltas with them -> scale indexes, Uint8Array of 4 rows x 4 columns x M. */
  scaleIndexes(z, rows, columns) {
    return this.model.networks.run(this.prefix + "scales", [this.hyperLatents(z), [1, rows, columns, this.model.hyper]], vector(this.offsets));
  }

  /** Scale indexes of a tile whose z has been decoded -> residuals, Float32Array. */
  residuals(decoder, indexes) {
    return decoder.r(indexes);
  }

  /** Residuals and hyper-latents of a tile -> y_hat at unit gain, Float32Array like r. */
  async reconstruct(r, z, rows, columns) {
    const { networks, hyper } = this.model, { inverseGain: gain, latent } = this;
    const shapes = [[1, 4 * rows, 4 * columns, latent], [1, rows, columns, hyper]];
    const y = await networks.run(this.prefix + "reconstruct", [r, shapes[0]], [this.hyperLatents(z), shapes[1]], vector(this.steps));
    for (let i = 0, m = 0; i < y.length; i++, m = m + 1 === latent ? 0 : m + 1) y[i] *= gain[m];
    if (this.hasDeltas) divide(y, z.filter((_, i) => i % (hyper + 1) === hyper), columns, latent);
    return y;
  }

  // z as the networks take it, without the deltas.
  hyperLatents(z) {
    const { hyper } = this.model;
    return this.hasDeltas ? z.filter((_, i) => i % (hyper + 1) < hyper) : z;
  }

  /** y_hat at unit gain, height x width x M -> RGB, Uint8Array of 16 height x 16 width x 3. */
  async synthesise(y, { height, width }) {
    const { networks, latent, numbers } = this.model;
    const parts = await networks.runAll("synthesis", [y, [1, height, width, latent]], vector(this.biases));
    const samples = samplesOf(...parts, numbers.sample_offset.data, { height, width });
    return overlapToPixels(samples, { height: 16 * height, width: 16 * width }, numbers.overlap_post.data);
  }

  /** RGB, Float32Array of 16 height x 16 width x 3 -> y as the synthesis takes it, height x width x M. Changes pixels. */
  async analyse(pixels, { height, width }) {
    const { networks, latent, numbers } = this.model, size = { height: 16 * height, width: 16 * width };
    overlapOfPixels(pixels, size, numbers.overlap_pre.data);
    const y = await networks.run("analysis", [squaresOf(pixels, size), [1, 2 * height, 2 * width, 192]]);
    const scale = this.gain.map((gain, m) => gain * this.inverseGain[m]);
    for (let i = 0, m = 0; i < y.length; i++, m = m + 1 === latent ? 0 : m + 1) y[i] *= scale[m];
    return y;
  }
}

QualityPoint.prototype.prefix = ""; // of the names of its networks

// The coarse channels at one quality, of which small images are made (aecodec/model/coarse.py).
class CoarsePoint extends QualityPoint {
  residuals(decoder, indexes) {
    return decoder.coarseR(indexes, this.latent);
  }
}
CoarsePoint.prototype.prefix = "coarse_";

const vector = (data) => [data, [data.length]];

// Levels in rows -> squares of 8x8, less 128: Float32Array of height / 8 x width / 8 x 192.
function squaresOf(levels, { height, width }) {
  const squares = new Float32Array(levels.length), row = 3 * width;
  for (let i = 0, at = 0; i < height; i += 8)
    for (let j = 0; j < row; j += 24)
      for (let k = 0; k < 192; k++, at++) squares[at] = levels[(i + Math.floor(k / 24)) * row + j + (k % 24)] - 128;
  return squares;
}

// (net + offset) + linear in float32, from squares of 8x8 to rows: Float32Array of 16 height x 16 width x 3.
function samplesOf(net, linear, offset, { height, width }) {
  const samples = new Float32Array(net.length), row = 48 * width;
  for (let i = 0, at = 0; i < 2 * height; i++)
    for (let j = 0; j < 2 * width; j++)
      for (let k = 0, from = 768 * ((i >> 1) * width + (j >> 1)) + 384 * (i & 1) + 192 * (j & 1); k < 192; k++, at++)
        samples[(8 * i + Math.floor(k / 24)) * row + 24 * j + (k % 24)] = fround(net[at] + offset[k]) + linear[from + k];
  return samples;
}

// The tables of a row, as the range decoder takes them.
function tablesOf({ z_tables, r_sizes, r_tables, coarse }, row) {
  const [, channels, symbols] = z_tables.shape, z = [], r = [null], reach = [0];
  for (let at = row * channels * symbols; z.length < channels; at += symbols)
    z.push(rangeTable(z_tables.data.subarray(at, at + symbols)));
  let at = row * r_tables.shape[1];
  for (const size of Array.from(r_sizes.data, Number)) {
    r.push(rangeTable(r_tables.data.subarray(at, at + size)));
    reach.push((size - 2) / 2);
    at += size;
  }
  return { z, r, reach, bit: rangeTable([2 ** 23, 2 ** 23]), coarse: coarse.data };
}

// Rows of knots (K, n) at 1/256 of a knot, in float32 as NumPy computes them one operation after another.
function between({ shape: [knots, n], data }, qindex) {
  const low = Math.min(qindex >> 8, knots - 2), w = fround(qindex / 256 - low), rest = fround(1 - w);
  const [a, b] = [low, low + 1].map((knot) => data.subarray(knot * n, (knot + 1) * n));
  return a.map((value, i) => fround(value * rest) + fround(b[i] * w));
}

// The same in integers: Int32Array.
function betweenKnots({ shape: [knots, n], data }, qindex) {
  const low = Math.min(qindex >> 8, knots - 2), f = qindex - 256 * low;
  const [a, b] = [low, low + 1].map((knot) => data.subarray(knot * n, (knot + 1) * n));
  return Int32Array.from(a, (value, i) => Math.floor((value * (256 - f) + b[i] * f + 128) / 256));
}

// e^x by single sums and products, as aecodec/model/knots.py has it.
function exponential(x) {
  const power = rint(x * 1.4426950408889634), rest = x - power * 0.6931471805599453;
  let series = 1;
  for (let n = 13; n > 0; n--) series = (series * rest) / n + 1;
  return series * 2 ** power;
}
