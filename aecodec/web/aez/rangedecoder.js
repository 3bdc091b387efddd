// The range decoder of FORMAT.md, section 8.2: words of 32 bits, frequencies that sum to 2^24. Numbers of 64 bits are
// two halves in floats of 53 bits, which is several times as fast as BigInt.

import { CorruptError } from "./errors.js";

const WORD = 2 ** 32, HALF = 2 ** 16, LAST = 2 ** 24 - 1;

/** A table of frequencies as the decoder takes it: what lies below each symbol, and where to begin to look for it. */
export function rangeTable(frequencies) {
  const below = new Uint32Array(frequencies.length + 1), first = new Uint16Array(256);
  for (let s = 0; s < frequencies.length; s++) below[s + 1] = below[s] + frequencies[s];
  for (let top = 0, s = 0; top < 256; top++) {
    while (below[s + 1] <= top << 16) s++;
    first[top] = s;
  }
  return { below, first };
}

/** Decodes the symbols of one bitstream. */
export class RangeDecoder {
  constructor(bytes) {
    const padded = new Uint8Array(Math.ceil(bytes.length / 4) * 4);
    padded.set(bytes);
    const view = new DataView(padded.buffer);
    this.words = Uint32Array.from({ length: padded.length / 4 }, (_, n) => view.getUint32(4 * n, true));
    this.offsetHigh = this.words[0] ?? 0;
    this.offsetLow = this.words[1] ?? 0;
    this.rangeHigh = this.rangeLow = WORD - 1;
    this.next = 2;
  }

  /** Fills out[start .. stop) with symbols of a table; CorruptError for data that no symbols give. */
  decode({ below, first }, out, start, stop) {
    let { offsetHigh, offsetLow, rangeHigh, rangeLow, next } = this;
    const symbols = below.length - 1, { words } = this;
    for (let i = start; i < stop; i++) {
      const scale = rangeHigh * 256 + Math.floor(rangeLow / 2 ** 24); // less than 2^40
      const scaleHigh = Math.floor(scale / HALF), scaleLow = scale - scaleHigh * HALF;
      // In floats the quotient is off by less than 2^-28, so that the symbol is this one or next to it.
      const quantile = Math.min(Math.floor((offsetHigh * WORD + offsetLow) / scale), LAST);
      let s = first[quantile >>> 16];
      while (below[s + 1] <= quantile) s++;
      for (;;) {
        const a = scaleHigh * below[s], high = Math.floor(a / HALF), rest = (a - high * HALF) * HALF + scaleLow * below[s];
        const carry = Math.floor(rest / WORD);
        let restHigh = offsetHigh - high - carry, restLow = offsetLow - (rest - carry * WORD);
        if (restLow < 0) {
          restLow += WORD;
          restHigh--;
        }
        if (restHigh < 0) {
          s--;
          continue;
        }
        const f = below[s + 1] - below[s], b = scaleHigh * f, wide = Math.floor(b / HALF);
        const narrow = (b - wide * HALF) * HALF + scaleLow * f, over = Math.floor(narrow / WORD);
        const sizeHigh = wide + over, sizeLow = narrow - over * WORD;
        if (restHigh > sizeHigh || (restHigh === sizeHigh && restLow >= sizeLow)) {
          if (++s === symbols) throw new CorruptError("bitstream: data beyond the last symbol");
          continue;
        }
        [offsetHigh, offsetLow, rangeHigh, rangeLow] = [restHigh, restLow, sizeHigh, sizeLow];
        break;
      }
      if (rangeHigh === 0) {
        rangeHigh = rangeLow;
        rangeLow = 0;
        offsetHigh = offsetLow;
        offsetLow = next < words.length ? words[next] : 0;
        next++;
      }
      out[i] = s;
    }
    Object.assign(this, { offsetHigh, offsetLow, rangeHigh, rangeLow, next });
  }

  /** Whether the data may end here: no word is left, and what is left of the last ones names a point. */
  get exhausted() {
    const untouched = this.rangeHigh === WORD - 1 && this.rangeLow === WORD - 1;
    const { offsetHigh, offsetLow } = this;
    return this.next >= this.words.length && (untouched || offsetHigh < 1 || (offsetHigh === 1 && offsetLow < WORD - 1));
  }
}
