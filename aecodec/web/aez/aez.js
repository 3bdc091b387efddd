// Decodes .aez files in a browser or in Node, without a build step:
//
//   import { decode, Models } from "./aez.js";
//   const models = new Models({ weights: "/weights/", runtime: "/runtime/" }); // onnxruntime-web's files lie in the latter
//   const image = await decode(bytes, { models, region: [0, 0, 640, 480] });
//
//   container -> range decoder -> z -> scale indexes -> r -> y_hat -> synthesis, overlap -> pixels
//            '-> exact tiles, the browser's WebP ------------------------------------'

import { alphaOf } from "./alpha.js";
import { LIMITS, tileArea } from "./container.js";
import { UnsupportedError } from "./errors.js";
import { decodeExact, webpPixels } from "./exact.js";
import { checkedRegion, common, grown } from "./geometry.js";
import { blank, LearnedDecoder } from "./learned.js";
import { openSource } from "./source.js";
import { factorOf, reduced } from "./thumbnail.js";

export { crc32, LIMITS, MIME, read, readChunk, readHeader, readIndex, readTile, tileArea } from "./container.js";
export * from "./errors.js";
export { webpOf } from "./exact.js";
export { Models } from "./weights.js";

/**
 * Bytes of a file, or its address -> ImageData (in Node an object like it), RGBA; the types are in aez.d.ts. Without a
 * region all of the file is checked, with one [x, y, width, height] what it depends on. Of an address no more is fetched
 * than region and scale need, by ranges of bytes. Files with learned tiles need `models`.
 */
export async function decode(file, { region = null, scale = 1, limits = LIMITS, models = null, webp = webpPixels } = {}) {
  const factor = factorOf(scale), { index, load } = await openSource(file, limits, { region, factor });
  const { header, tiles } = index, area = grown(checkedRegion(region, header), factor, header);
  const alpha = index.chunks.find(({ tag }) => tag === "ALPH");
  const exact = tiles.flatMap((tile, number) => (tile.exact ? [number] : []));
  const source = { header, exact, tile: (number) => tiles[number].data, alpha: header.channels % 2 === 0 && !alpha, webp };
  const fetched = (numbers) => load([...numbers.map((number) => tiles[number]), ...(alpha ? [alpha] : [])]);
  let image = blank(area), small = false;
  if (header.model === 0) {
    await fetched(exact.filter((number) => common(tileArea(header, number), area)));
    await decodeExact(source, image);
  } else {
    if (!models) throw new UnsupportedError("weights and a runtime are needed for this file, and none were given");
    const model = await models.get(header.model), decoder = new LearnedDecoder(source, model);
    const map = factor >= 8 ? await model.thumbnail() : null;
    small = map !== null;
    await fetched(decoder.reads(area, small));
    image = small ? await decoder.decodeReduced(area, factor, map) : await decoder.decode(area);
  }
  if (header.channels < 3) toGrey(image.data);
  if (alpha) {
    const cut = cutAlpha(alphaOf(alpha.data, header.width, header.height), area, header.width);
    const plane = small ? reduced(opaque(area, cut), factor).data : cut;
    const [at, step] = small ? [0, 4] : [0, 1];
    for (let i = at, to = 3; to < image.data.length; i += step, to += 4) image.data[to] = plane[i];
  }
  const { width, height, data } = small ? image : reduced(image, factor);
  return globalThis.ImageData ? new ImageData(data, width, height) : { width, height, data };
}

// The luma of ITU-R BT.601 in place of the colours.
function toGrey(data) {
  for (let i = 0; i < data.length; i += 4)
    data[i] = data[i + 1] = data[i + 2] = Math.floor((299 * data[i] + 587 * data[i + 1] + 114 * data[i + 2] + 500) / 1000);
}

function cutAlpha(plane, { x, y, width, height }, across) {
  const out = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) out.set(plane.subarray((y + row) * across + x, (y + row) * across + x + width), row * width);
  return out;
}

// A plane as an image whose red it is, so that it is reduced as one.
function opaque({ width, height }, plane) {
  const data = new Uint8ClampedArray(4 * width * height).fill(255);
  for (let i = 0; i < plane.length; i++) data[4 * i] = plane[i];
  return { width, height, data };
}
