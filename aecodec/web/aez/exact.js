// Exact tiles: lossless WebP, which the browser decodes.

import { tileArea } from "./container.js";
import { CorruptError } from "./errors.js";
import { common } from "./geometry.js";

const EDGE_MAX = 16383; // pixels along the edge of a WebP image

/** The bitstream of an exact tile of this size -> a WebP file. alpha: whether it may have any. */
export function webpOf(bitstream, width, height, alpha) {
  if (bitstream.length < 5) throw new CorruptError(`exact: ${bitstream.length} bytes, expected at least 5`);
  const fields = new DataView(bitstream.buffer, bitstream.byteOffset).getUint32(1, true);
  if (bitstream[0] !== 0x2f || fields >>> 29 || ((fields >>> 28) & 1 && !alpha))
    throw new CorruptError(`exact: expected lossless WebP${alpha ? "" : " without alpha"}`);
  const columns = (fields & 0x3fff) + 1, rows = ((fields >>> 14) & 0x3fff) + 1;
  if (columns !== width || rows !== height) throw new CorruptError(`exact: ${columns}x${rows} pixels, expected ${width}x${height}`);
  const odd = bitstream.length % 2, file = new Uint8Array(20 + bitstream.length + odd), fill = new DataView(file.buffer);
  file.set([..."RIFF\0\0\0\0WEBPVP8L"].map((c) => c.charCodeAt(0)));
  fill.setUint32(4, 12 + bitstream.length + odd, true);
  fill.setUint32(16, bitstream.length, true);
  file.set(bitstream, 20);
  return file;
}

// A canvas keeps colours exactly only where they are opaque: it multiplies them by alpha. ImageDecoder does not.
export async function webpPixels(file, width, height, alpha) {
  try {
    if (alpha && globalThis.ImageDecoder) return await unmultiplied(file, width, height);
    const image = await createImageBitmap(new Blob([file], { type: "image/webp" }), { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    image.close();
    return context.getImageData(0, 0, width, height).data;
  } catch {
    throw new CorruptError("exact: the browser cannot decode this WebP");
  }
}

async function unmultiplied(file, width, height) {
  const decoder = new ImageDecoder({ data: file, type: "image/webp", premultiplyAlpha: "none", colorSpaceConversion: "none" });
  const { image } = await decoder.decode(), data = new Uint8Array(4 * width * height);
  try {
    await image.copyTo(data);
    if (image.format.startsWith("BGR"))
      for (let i = 0; i < data.length; i += 4) [data[i], data[i + 2]] = [data[i + 2], data[i]];
    return data;
  } finally {
    image.close();
    decoder.close();
  }
}

/**
 * Writes the exact tiles that meet an image's area into it: image is { x, y, width, height, data }, data being RGBA.
 * alpha: whether the tiles hold alpha; webp: decodes a WebP file to RGBA.
 */
export async function decodeExact({ header, exact, tile, alpha, webp }, image) {
  if (header.tile > EDGE_MAX || (!header.tile && Math.max(header.width, header.height) > EDGE_MAX))
    for (let n = 0; n < header.tiles; n++)
      if (Math.max(tileArea(header, n).width, tileArea(header, n).height) > EDGE_MAX)
        throw new CorruptError(`header: tile of more than ${EDGE_MAX} pixels`);
  for (const number of exact) {
    const area = tileArea(header, number), both = common(area, image);
    if (!both) continue;
    const file = webpOf(tile(number), area.width, area.height, alpha);
    const pixels = await webp(file, area.width, area.height, alpha);
    for (let row = both.y; row < both.y + both.height; row++) {
      const from = 4 * ((row - area.y) * area.width + both.x - area.x);
      image.data.set(pixels.subarray(from, from + 4 * both.width), 4 * ((row - image.y) * image.width + both.x - image.x));
    }
  }
}
