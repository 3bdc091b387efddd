// y_hat of a window of an image, in strips of tiles, which are let go of once they are not needed any more.

import { common, TILE } from "./geometry.js";

export class Latents {
  /** window: of latents; channels: of each. */
  constructor(window, channels) {
    Object.assign(this, { window, channels, strips: new Map() });
  }

  strip(y) {
    const number = Math.floor(y / TILE);
    if (!this.strips.has(number)) this.strips.set(number, new Float32Array(TILE * this.window.width * this.channels));
    return this.strips.get(number);
  }

  // Calls back for each row that an area of data, so wide, and the window have in common: strip, from, data's from, length.
  rows(area, width, call) {
    const both = common(area, this.window);
    if (!both) return;
    for (let y = both.y; y < both.y + both.height; y++) {
      const at = (y % TILE) * this.window.width + both.x - this.window.x;
      call(this.strip(y), at, (y - area.y) * width + both.x - area.x, both.width);
    }
  }

  /** Writes data of an area, rows of `width` latents. where: 1 for those meant, like the area. */
  paste(area, data, width, where = null) {
    const { channels } = this;
    this.rows(area, width, (strip, at, from, count) => {
      const part = (i, n) => strip.set(data.subarray((from + i) * channels, (from + i + n) * channels), (at + i) * channels);
      if (!where) part(0, count);
      else for (let i = 0; i < count; i++) if (where[from + i]) part(i, 1);
    });
  }

  /** The latents of an area, height x width x channels. */
  cut(area) {
    const { channels } = this, out = new Float32Array(area.height * area.width * channels);
    this.rows(area, area.width, (strip, at, from, count) =>
      out.set(strip.subarray(at * channels, (at + count) * channels), from * channels));
    return out;
  }

  /** Lets go of the strips above a row. */
  drop(y) {
    for (const number of this.strips.keys()) if ((number + 1) * TILE <= y) this.strips.delete(number);
  }
}
