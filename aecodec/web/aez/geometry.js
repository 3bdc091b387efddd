// Rectangles of pixels or latents, { x, y, width, height }, and windows with a halo that cover a plane.

export const STRIDE = 16; // pixels along the edge of a latent
export const TILE = 16; // latents along the edge of a tile
export const HYPER = 4; // latents along the edge of a hyper-latent

/** Latents along an edge of so many pixels. */
export const latentSize = (pixels) => Math.ceil(pixels / STRIDE);

/** What two rectangles have in common, null if that is nothing. */
export function common(a, b) {
  const x = Math.max(a.x, b.x), y = Math.max(a.y, b.y);
  const width = Math.min(a.x + a.width, b.x + b.width) - x, height = Math.min(a.y + a.height, b.y + b.height) - y;
  return width > 0 && height > 0 ? { x, y, width, height } : null;
}

/** A region of an image, [x, y, width, height] in pixels, null for all of it; a RangeError where there is no such. */
export function checkedRegion(region, { width, height }) {
  if (region == null) return { x: 0, y: 0, width, height };
  const [x, y, w, h] = region;
  const sound = [x, y, w, h].every(Number.isInteger) && region.length === 4 && x >= 0 && y >= 0 && w > 0 && h > 0;
  if (!sound || x + w > width || y + h > height)
    throw new RangeError(`region: ${region}, expected x, y, width and height inside the image of ${width}x${height}`);
  return { x, y, width: w, height: h };
}

/** The squares of factor x factor pixels that an area of an image meets. */
export function grown(area, factor, { width, height }) {
  const x = area.x - (area.x % factor), y = area.y - (area.y % factor);
  const end = (start, size, limit) => Math.min(Math.ceil((start + size) / factor) * factor, limit);
  return { x, y, width: end(area.x, area.width, width) - x, height: end(area.y, area.height, height) - y };
}

/** The latents that an area of an image depends on, so many beyond its own. */
export function neededLatents(area, { width, height }, halo) {
  const reach = (start, size, length) => {
    const first = Math.max(Math.floor(start / STRIDE) - halo, 0);
    return [first, Math.min(latentSize(start + size) + halo, latentSize(length)) - first];
  };
  const [x, columns] = reach(area.x, area.width, width), [y, rows] = reach(area.y, area.height, height);
  return { x, y, width: columns, height: rows };
}

// Windows of one size along an axis; the last one is slid back inside. What lies from keep to end is exact.
function spans(length, largest, halo) {
  const count = Math.max(1, Math.ceil((length - 2 * halo) / (largest - 2 * halo)));
  const size = Math.ceil((length + 2 * halo * (count - 1)) / count);
  if (length <= size) return [{ start: 0, stop: length, keep: 0, end: length }];
  const covering = [];
  for (let keep = 0; keep < length; keep = covering.at(-1).end) {
    const start = Math.min(Math.max(keep - halo, 0), length - size), stop = start + size;
    covering.push({ start, stop, keep, end: stop === length ? length : stop - halo });
  }
  return covering;
}

/** Windows that cover a rectangle, row by row: { area, keep }, rectangles, of which `keep` is not touched by the halo. */
export function windows({ x, y, width, height }, largest, halo) {
  const columns = spans(width, largest, halo);
  return spans(height, largest, halo).flatMap((row) => columns.map((column) => ({
    area: { x: x + column.start, y: y + row.start, width: column.stop - column.start, height: row.stop - row.start },
    keep: { x: x + column.keep, y: y + row.keep, width: column.end - column.keep, height: row.end - row.keep },
  })));
}
