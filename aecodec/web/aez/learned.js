// Learned tiles -> pixels, as aecodec/codec/decoder.py makes them: window by window, so that memory stays bounded.

import { tileArea } from "./container.js";
import { TileDecoder } from "./entropy.js";
import { CorruptError, UnsupportedError } from "./errors.js";
import { decodeExact } from "./exact.js";
import { common, HYPER, latentSize, neededLatents, STRIDE, TILE, windows } from "./geometry.js";
import { Latents } from "./latents.js";
import { reduced } from "./thumbnail.js";

const WINDOW = 80; // latents along the edge of the largest window
const HALO = 5; // latents: the receptive field of either transform, overlap included

/** Decodes a file: source is { header, exact: numbers of the exact tiles, tile: number -> bitstream, webp }. */
export class LearnedDecoder {
  constructor(source, model) {
    const { header } = source;
    if (header.tile !== STRIDE * TILE) throw new UnsupportedError(`header: tile of ${header.tile} px, expected ${STRIDE * TILE}`);
    Object.assign(this, { source, header, model, point: model.at(header.quality), exact: new Set(source.exact) });
    this.tiles = Array.from({ length: header.tiles }, (_, number) => {
      const { x, y, width, height } = tileArea(header, number);
      return { number, area: { x: x / STRIDE, y: y / STRIDE, width: latentSize(width), height: latentSize(height) } };
    });
  }

  /** Numbers of the tiles that an area of the image depends on; small: as `decodeReduced` makes it. */
  reads(area, small) {
    const window = small ? neededLatents(area, this.header, 1) : this.reach(area);
    return this.tiles.filter((tile) => common(tile.area, window)).map(({ number }) => number);
  }

  /** The colours of an area: { x, y, width, height, data }, RGBA with alpha 255. */
  async decode(area) {
    const window = this.reach(area), learned = this.learned(window);
    if (!learned.length) {
      const image = blank(area);
      await decodeExact(this.source, image);
      return image;
    }
    const image = blank(common(pixelsOf(window), { x: 0, y: 0, ...this.header }));
    const latents = new Latents(window, this.model.latent), exact = this.covered(window);
    if (exact.includes(1)) {
      await decodeExact(this.source, image);
      await this.decodeTiles(learned, latents);
      await this.synthesiseBetween(latents, exact, image);
    } else
      for (const part of windows(window, WINDOW, this.model.synthesisHalo)) {
        await this.decodeTiles(learned, latents, part.area.y + part.area.height);
        latents.drop(part.area.y);
        await this.synthesise(latents, part, image);
      }
    return cut(image, area);
  }

  /** The same as means over squares of 8 or 16 pixels, by a linear map of the coarse latents. */
  async decodeReduced(area, factor, map) {
    const window = neededLatents(area, this.header, 1), learned = this.learned(window), exact = this.covered(window);
    const point = this.point.coarse(), latents = new Latents(window, point.latent);
    await this.decodeTiles(learned, latents, Infinity, point);
    const image = map.apply(latents.cut(window), exact.map((one) => 1 - one), window, factor), per = STRIDE / factor;
    const inside = { x: area.x / factor, y: area.y / factor, width: Math.ceil(area.width / factor), height: Math.ceil(area.height / factor) };
    const small = cut({ ...image, x: window.x * per, y: window.y * per }, inside);
    if (!exact.includes(1)) return small;
    const pixels = blank(area);
    await decodeExact(this.source, pixels);
    const means = reduced(pixels, factor), from = new Uint32Array(means.data.buffer), to = new Uint32Array(small.data.buffer);
    for (let i = 0; i < to.length; i++) {
      const x = inside.x + (i % inside.width), y = inside.y + Math.floor(i / inside.width);
      if (exact[(Math.floor(y / per) - window.y) * window.width + Math.floor(x / per) - window.x]) to[i] = from[i];
    }
    return small;
  }

  // The latents that an area depends on. Behind exact tiles these depend on pixels, and they on latents.
  reach(area) {
    const inside = neededLatents(area, this.header, 0);
    return this.learned(inside).length ? neededLatents(area, this.header, this.exact.size ? 3 * HALO : HALO) : inside;
  }

  learned(window) {
    return this.tiles.filter(({ number, area }) => !this.exact.has(number) && common(area, window));
  }

  // 1 where latents of a window belong to exact tiles.
  covered(window) {
    const mask = new Uint8Array(window.width * window.height);
    for (const { number, area } of this.tiles) {
      const both = this.exact.has(number) && common(area, window);
      for (let y = both?.y; y < both?.y + both?.height; y++) {
        const at = (y - window.y) * window.width + both.x - window.x;
        mask.fill(1, at, at + both.width);
      }
    }
    return mask;
  }

  /** The symbols of a tile: z and r, Float32Array, scale indexes, Uint8Array, of rows x columns hyper-latents. */
  async symbols({ number, area }, point = this.point) {
    const rows = Math.ceil(area.height / HYPER), columns = Math.ceil(area.width / HYPER), width = HYPER * columns;
    try {
      const decoder = new TileDecoder(this.source.tile(number), point.tables), z = decoder.z(rows * columns);
      const indexes = await point.scaleIndexes(z, rows, columns), { latent } = point;
      indexes.fill(0, area.height * width * latent); // what lies outside the image is not coded
      for (let y = 0; y < area.height; y++) indexes.fill(0, (y * width + area.width) * latent, (y + 1) * width * latent);
      return { z, indexes, r: point.residuals(decoder, indexes), rows, columns };
    } catch (error) {
      throw error instanceof CorruptError && !error.message.startsWith("tile ") ? new CorruptError(`tile ${number}: ${error.message}`) : error;
    }
  }

  // Decodes tiles that lie above a row of latents, and takes them off the list.
  async decodeTiles(tiles, latents, bottom = Infinity, point = this.point) {
    while (tiles.length && tiles[0].area.y < bottom) {
      const tile = tiles.shift(), { z, r, rows, columns } = await this.symbols(tile, point);
      latents.paste(tile.area, await point.reconstruct(r, z, rows, columns), HYPER * columns);
    }
  }

  // Makes the pixels of a window. mask: 1 where latents, of all of `latents.window`, are exact and their pixels stay.
  async synthesise(latents, { area, keep }, image, mask = null) {
    const rgb = await this.point.synthesise(latents.cut(area), area), inside = common(pixelsOf(keep), image);
    const { window } = latents;
    for (let y = inside.y; y < inside.y + inside.height; y++) {
      let from = 3 * ((y - STRIDE * area.y) * STRIDE * area.width + inside.x - STRIDE * area.x);
      let to = 4 * ((y - image.y) * image.width + inside.x - image.x);
      const row = (Math.floor(y / STRIDE) - window.y) * window.width - window.x;
      for (let x = inside.x; x < inside.x + inside.width; x++, from += 3, to += 4)
        if (!mask?.[row + Math.floor(x / STRIDE)])
          for (let c = 0; c < 3; c++) image.data[to + c] = rgb[from + c];
    }
  }

  // Fills in learned tiles beside exact ones. At the border of an exact tile the synthesis lacks the latents behind it. A
  // first synthesis without them and the exact pixels make an image whose analysis has them, and a second one uses them.
  async synthesiseBetween(latents, exact, image) {
    const { window } = latents, learned = exact.map((one) => 1 - one), every = windows(window, WINDOW, HALO);
    const atBorder = both(learned, grown(exact, window)), behind = both(exact, grown(learned, window));
    const near = (where) => every.filter(({ keep }) => cutMask(where, window, keep).includes(1));
    for (const part of near(learned)) await this.synthesise(latents, part, image, exact);
    if (!atBorder.includes(1)) return;
    for (const { area, keep } of near(behind)) {
      const y = await this.point.analyse(padded(image, area), area), where = cutMask(behind, window, area, keep);
      latents.paste(area, y, area.width, where);
    }
    for (const part of near(atBorder)) await this.synthesise(latents, part, image, exact);
  }
}

const pixelsOf = ({ x, y, width, height }) => ({ x: x * STRIDE, y: y * STRIDE, width: width * STRIDE, height: height * STRIDE });

/** An opaque image of an area. */
export function blank({ x, y, width, height }) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let i = 3; i < data.length; i += 4) data[i] = 255;
  return { x, y, width, height, data };
}

function cut(image, { x, y, width, height }) {
  if (image.width === width && image.height === height) return image;
  const data = new Uint8ClampedArray(4 * width * height);
  for (let row = 0; row < height; row++) {
    const from = 4 * ((y - image.y + row) * image.width + x - image.x);
    data.set(image.data.subarray(from, from + 4 * width), 4 * width * row);
  }
  return { x, y, width, height, data };
}

// RGB of an area of latents, Float32Array; beyond the last row or column of the image, that one repeats.
function padded(image, area) {
  const { x, y, width, height } = pixelsOf(area), out = new Float32Array(3 * width * height);
  for (let row = 0, to = 0; row < height; row++) {
    const line = Math.min(y + row - image.y, image.height - 1) * image.width;
    for (let column = 0; column < width; column++) {
      const from = 4 * (line + Math.min(x + column - image.x, image.width - 1));
      for (let c = 0; c < 3; c++) out[to++] = image.data[from + c];
    }
  }
  return out;
}

const both = (a, b) => a.map((one, i) => one & b[i]);

// The mask of a window inside an area of it, 0 outside of `keep`.
function cutMask(mask, window, area, keep = area) {
  const out = new Uint8Array(area.width * area.height);
  for (let y = keep.y; y < keep.y + keep.height; y++)
    for (let x = keep.x; x < keep.x + keep.width; x++)
      out[(y - area.y) * area.width + x - area.x] = mask[(y - window.y) * window.width + x - window.x];
  return out;
}

// What lies within the halo of 1.
function grown(mask, { width, height }) {
  const spread = (from, length, step, at, to) => {
    for (let i = 0; i < length; i++)
      if (from[at + i * step])
        for (let j = Math.max(i - HALO, 0); j <= Math.min(i + HALO, length - 1); j++) to[at + j * step] = 1;
  };
  const rows = new Uint8Array(mask.length), out = new Uint8Array(mask.length);
  for (let y = 0; y < height; y++) spread(mask, width, 1, y * width, rows);
  for (let x = 0; x < width; x++) spread(rows, height, width, x, out);
  return out;
}
