// What aez.js makes of each file of a folder: node decode_aez.mjs AEZ_FOLDER RUNTIME WEIGHTS FILES OUT [OPTIONS] -> JSON
// by name: width, height and seconds, the pixels in OUT as raw RGBA, sha256 of the symbols and of the latents with the gains;
// or the error's name and message.
// Node has no WebP: exact tiles are found decoded in FILES/exact, by the checksum of their bitstream.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [code, runtime, weights, files, out, options = "{}"] = process.argv.slice(2);
const load = (folder, name) => import(pathToFileURL(join(folder, name)));
const { crc32, CorruptError, decode, Models, read, AezError, tileArea } = await load(code, "aez.js");
const { LearnedDecoder } = await load(code, "learned.js"), { Latents } = await load(code, "latents.js");
const ort = await load(runtime, "ort.wasm.min.mjs");
ort.env.wasm.numThreads = 1;
const models = new Models({ weights: async (path) => new Uint8Array(readFileSync(join(weights, path))), runtime: ort });

async function webp(file, width, height, alpha) {
  const size = new DataView(file.buffer).getUint32(16, true), sum = crc32(file.subarray(20, 20 + size));
  try {
    return new Uint8ClampedArray(readFileSync(join(files, "exact", String(sum))));
  } catch {
    throw new CorruptError("exact: not decoded");
  }
}

// z in 4x4, scale indexes and r in 16x16 positions, zero outside of the image, as Python gives them.
function whole(values, rows, columns, edge, type) {
  const channels = values.length / rows / columns, plane = new type(edge * edge * channels);
  for (let y = 0; y < rows; y++) plane.set(values.subarray(y * columns * channels, (y + 1) * columns * channels), y * edge * channels);
  return Buffer.from(plane.buffer);
}

async function sums(bytes) {
  const { header, tiles } = read(bytes), names = ["z", "index", "r", "latents"];
  const sums = Object.fromEntries(names.map((name) => [name, createHash("sha256")]));
  if (header.model !== 0) {
    const exact = tiles.flatMap((tile, number) => (tile.exact ? [number] : []));
    const decoder = new LearnedDecoder({ header, exact, tile: (number) => tiles[number].data }, await models.get(header.model));
    for (const tile of decoder.tiles.filter(({ number }) => !exact.includes(number))) {
      const { z, indexes, r, rows, columns } = await decoder.symbols(tile);
      sums.z.update(whole(z, rows, columns, 4, Int8Array));
      sums.index.update(whole(indexes, 4 * rows, 4 * columns, 16, Uint8Array));
      sums.r.update(whole(r, 4 * rows, 4 * columns, 16, Int32Array));
    }
    const window = decoder.reach({ x: 0, y: 0, ...header }), y = new Latents(window, decoder.model.latent);
    await decoder.decodeTiles(decoder.learned(window), y);
    for (const part of [decoder.point.gain, decoder.point.inverseGain, y.cut(window)]) sums.latents.update(new Uint8Array(part.buffer));
  }
  const { latents, ...symbols } = Object.fromEntries(names.map((name) => [name, sums[name].digest("hex")]));
  return { symbols, latents };
}

const said = {}, settings = JSON.parse(options);
for (const name of readdirSync(files).filter((name) => name !== "exact")) {
  const bytes = new Uint8Array(readFileSync(join(files, name))), start = performance.now();
  try {
    const { width, height, data } = await decode(bytes, { ...settings, models, webp });
    said[name] = { width, height, seconds: (performance.now() - start) / 1e3 };
    writeFileSync(join(out, name), data);
    if (!settings.bare) Object.assign(said[name], await sums(bytes));
  } catch (error) {
    if (!(error instanceof AezError)) throw new Error(`${name}: ${error.stack}`);
    said[name] = { error: error.name, message: error.message, seconds: (performance.now() - start) / 1e3 };
  }
}
console.log(JSON.stringify(said));
