// Decompresses one Zstandard frame without a dictionary (RFC 8878), whose size is known before. Its own checksum is not
// looked at: the container's covers every byte of it.

import { CorruptError } from "./errors.js";

const BLOCK = 1 << 17; // bytes of a block, at most
const LL = [[4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1], 6];
const ML = [[1, 4, 3, 2, 2, 2, 2, 2, 2, ...Array(37).fill(1), ...Array(7).fill(-1)], 6];
const OF = [[1, 1, 1, 1, 1, 1, 2, 2, 2, ...Array(15).fill(1), -1, -1, -1, -1, -1], 5];
const LL_BITS = [...Array(16).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const ML_BITS = [...Array(32).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];
const LOG_MAX = [9, 8, 9]; // accuracy of the tables of literal lengths, offsets, match lengths

const bases = (bits, first) => bits.map(((next) => (n) => (next += 2 ** n) - 2 ** n)(first));
const LL_BASE = bases(LL_BITS, 0), ML_BASE = bases(ML_BITS, 3);
const require = (condition) => {
  if (!condition) throw new CorruptError("zstd: damaged frame");
};

/** A frame -> Uint8Array of `size` bytes; CorruptError unless the frame states that size and nothing follows it. */
export function unzstd(bytes, size) {
  const input = new Forward(bytes);
  require(input.number(4) === 0xfd2fb528);
  const flags = input.number(1), single = (flags >> 5) & 1, sizeBytes = [single, 2, 4, 8][flags >> 6];
  require((flags & 8) === 0 && sizeBytes > 0);
  if (!single) input.number(1); // the window; matches reach as far as the output does
  require(input.number([0, 1, 2, 4][flags & 3]) === 0); // a dictionary
  require(input.number(sizeBytes) + (sizeBytes === 2 ? 256 : 0) === size && size <= 32768 * bytes.length);
  const frame = { out: new Uint8Array(size), at: 0, offsets: [1, 4, 8], tables: [null, null, null], huffman: null };
  for (let last = 0; !last; ) {
    const head = input.number(3), kind = (head >> 1) & 3, length = head >> 3;
    last = head & 1;
    require(kind < 3 && length <= BLOCK);
    if (kind === 0) append(frame, input.take(length));
    else if (kind === 1) repeat(frame, input.number(1), length);
    else block(frame, new Forward(input.take(length)));
  }
  if (flags & 4) input.take(4);
  require(frame.at === size && input.left === 0);
  return frame.out;
}

function append(frame, part) {
  require(frame.at + part.length <= frame.out.length);
  frame.out.set(part, frame.at);
  frame.at += part.length;
}

function repeat(frame, value, count) {
  require(frame.at + count <= frame.out.length);
  frame.out.fill(value, frame.at, (frame.at += count));
}

function block(frame, input) {
  const literals = readLiterals(frame, input);
  let count = input.number(1), used = 0;
  if (count === 255) count = input.number(2) + 0x7f00;
  else if (count > 127) count = ((count - 128) << 8) + input.number(1);
  if (count) {
    const modes = input.number(1);
    require((modes & 3) === 0);
    [LL, OF, ML].forEach((usual, kind) => (frame.tables[kind] = readTable((modes >> (6 - 2 * kind)) & 3, usual, LOG_MAX[kind], frame.tables[kind], input)));
    const bits = new Backward(input.take(input.left)), [ll, of, ml] = frame.tables.map((table) => new State(table, bits));
    for (let n = 0; n < count; n++) {
      const offsetBits = of.symbol, match = ml.symbol, literal = ll.symbol;
      require(offsetBits < 32 && match < ML_BITS.length && literal < LL_BITS.length);
      const value = 2 ** offsetBits + bits.wide(offsetBits);
      const length = ML_BASE[match] + bits.read(ML_BITS[match]), before = LL_BASE[literal] + bits.read(LL_BITS[literal]);
      require(used + before <= literals.length);
      append(frame, literals.subarray(used, (used += before)));
      copy(frame, offsetOf(frame.offsets, value, before), length);
      if (n < count - 1) for (const state of [ll, ml, of]) state.move();
    }
    require(bits.at === 0);
  } else require(input.left === 0);
  append(frame, literals.subarray(used));
}

// One of the last three offsets or a new one, which becomes the first of them.
function offsetOf(offsets, value, literals) {
  if (value > 3) {
    offsets.unshift(value - 3);
    offsets.pop();
    return offsets[0];
  }
  const which = value - 1 + (literals === 0 ? 1 : 0), offset = which === 3 ? offsets[0] - 1 : offsets[which];
  if (which) offsets.splice(Math.min(which, 2), 1);
  else offsets.shift();
  offsets.unshift(offset);
  return offset;
}

function copy(frame, offset, length) {
  const { out, at } = frame;
  require(offset > 0 && offset <= at && at + length <= out.length);
  if (offset >= length) out.copyWithin(at, at - offset, at - offset + length);
  else for (let i = at; i < at + length; i++) out[i] = out[i - offset];
  frame.at += length;
}

function readLiterals(frame, input) {
  const first = input.number(1), kind = first & 3, format = (first >> 2) & 3;
  if (kind < 2) {
    const size = format & 1 ? (first >> 4) + (input.number(format === 1 ? 1 : 2) << 4) : first >> 3;
    require(size <= BLOCK);
    return kind === 0 ? input.take(size) : new Uint8Array(size).fill(input.number(1));
  }
  const width = [10, 10, 14, 18][format], rest = first / 16 + input.number([2, 2, 3, 4][format]) * 16;
  const size = Math.floor(rest) % 2 ** width, packed = Math.floor(Math.floor(rest) / 2 ** width), out = new Uint8Array(size);
  require(size <= BLOCK);
  const part = new Forward(input.take(packed));
  if (kind === 2) frame.huffman = readHuffman(part);
  require(frame.huffman);
  if (format === 0) {
    huffman(frame.huffman, part.take(part.left), out);
    return out;
  }
  const lengths = [2, 2, 2].map((n) => part.number(n)), each = Math.floor((size + 3) / 4);
  require(3 * each <= size);
  for (let n = 0; n < 4; n++)
    huffman(frame.huffman, part.take(n < 3 ? lengths[n] : part.left), out.subarray(n * each, n < 3 ? (n + 1) * each : size));
  return out;
}

function huffman({ log, symbols, lengths }, bytes, out) {
  const bits = new Backward(bytes);
  for (let i = 0; i < out.length; i++) {
    const code = bits.peek(log);
    out[i] = symbols[code];
    bits.at -= lengths[code];
  }
  require(bits.at === 0);
}

function readHuffman(input) {
  const head = input.number(1), weights = head < 128 ? packedWeights(input.take(head)) : [];
  for (let n = 0, byte = 0; head >= 128 && n < head - 127; n++) {
    if (n % 2 === 0) byte = input.number(1);
    weights.push(n % 2 ? byte & 15 : byte >> 4);
  }
  let total = weights.reduce((sum, weight) => sum + (weight ? 2 ** (weight - 1) : 0), 0);
  require(total > 0);
  const log = 32 - Math.clz32(total), last = 2 ** log - total;
  require(log <= 11 && (last & (last - 1)) === 0 && weights.length < 256);
  weights.push(32 - Math.clz32(last));
  const symbols = new Uint8Array(2 ** log), lengths = new Uint8Array(2 ** log);
  for (let weight = 1, at = 0; weight <= log; weight++)
    weights.forEach((other, symbol) => {
      if (other !== weight) return;
      const end = at + 2 ** (weight - 1);
      symbols.fill(symbol, at, end);
      lengths.fill(log + 1 - weight, at, end);
      at = end;
    });
  return { log, symbols, lengths };
}

// Weights by two states in turn, until the bits are at an end.
function packedWeights(bytes) {
  const input = new Forward(bytes), table = readDistribution(input, 6), bits = new Backward(input.take(input.left));
  const states = [new State(table, bits), new State(table, bits)], weights = [];
  for (let turn = 0; ; turn = 1 - turn) {
    require(weights.length < 255);
    weights.push(states[turn].symbol);
    states[turn].move();
    if (bits.at < 0) return [...weights, states[1 - turn].symbol];
  }
}

function readTable(mode, [distribution, log], largest, before, input) {
  if (mode === 0) return tableOf(distribution, log);
  if (mode === 1) return { log: 0, symbols: [input.number(1)], lengths: [0], next: [0] };
  if (mode === 2) return readDistribution(input, largest);
  require(before);
  return before;
}

function readDistribution(input, largest) {
  const log = input.bits(4) + 5, counts = [];
  require(log <= largest);
  for (let left = 2 ** log; left > 0; ) {
    const width = 32 - Math.clz32(left + 1), low = 2 ** (width - 1), spare = 2 ** width - 2 - left;
    let value = input.bits(width - 1);
    if (value >= spare && input.bits(1)) value += low - spare;
    const count = value - 1;
    counts.push(count);
    left -= Math.abs(count);
    for (let more = 3; count === 0 && more === 3; ) {
      more = input.bits(2);
      for (let n = 0; n < more; n++) counts.push(0);
    }
    require(left >= 0 && counts.length <= 256);
  }
  input.align();
  return tableOf(counts, log);
}

// The table of finite state entropy for counts, of which -1 is less than one.
function tableOf(counts, log) {
  const size = 2 ** log, symbols = new Uint8Array(size), lengths = new Uint8Array(size), next = new Uint16Array(size);
  let high = size, at = 0;
  counts.forEach((count, symbol) => count < 0 && (symbols[--high] = symbol));
  counts.forEach((count, symbol) => {
    for (let n = 0; n < count; n++) {
      symbols[at] = symbol;
      do at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1);
      while (at >= high);
    }
  });
  require(at === 0);
  const seen = counts.map(Math.abs);
  for (let state = 0; state < size; state++) {
    const n = seen[symbols[state]]++;
    lengths[state] = log - (31 - Math.clz32(n));
    next[state] = (n << lengths[state]) - size;
  }
  return { log, symbols, lengths, next };
}

class State {
  constructor(table, bits) {
    Object.assign(this, { table, bits, state: bits.read(table.log) });
  }

  get symbol() { return this.table.symbols[this.state]; }

  move() { this.state = this.table.next[this.state] + this.bits.read(this.table.lengths[this.state]); }
}

// Bytes and bits from the front.
class Forward {
  constructor(bytes) { Object.assign(this, { bytes, at: 0, bit: 0 }); }

  get left() { return this.bytes.length - this.at; }

  take(count) {
    require(count <= this.left);
    return this.bytes.subarray(this.at, (this.at += count));
  }

  number(count) { return this.take(count).reduceRight((value, byte) => value * 256 + byte, 0); }

  bits(count) {
    let value = 0;
    for (let n = 0; n < count; n++) {
      require(this.at < this.bytes.length);
      value += ((this.bytes[this.at] >> this.bit) & 1) << n;
      if (++this.bit === 8) {
        this.bit = 0;
        this.at++;
      }
    }
    return value;
  }

  align() {
    if (this.bit) this.at++;
    this.bit = 0;
  }
}

// Bits from the back, below the highest one that is set; `at` are left, and zeros follow them.
class Backward {
  constructor(bytes) {
    require(bytes.length && bytes.at(-1));
    this.bytes = bytes;
    this.at = 8 * bytes.length - 1 - (Math.clz32(bytes.at(-1)) - 24);
  }

  // The next bits, up to 16 of them, which stay.
  peek(count) {
    const start = this.at - count, from = Math.max(start, 0), i = from >> 3, { bytes } = this;
    const value = (bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16)) >>> (from & 7), missing = from - start;
    return missing < count ? (value & ((1 << (count - missing)) - 1)) << missing : 0;
  }

  read(count) {
    const value = this.peek(count);
    this.at -= count;
    return value;
  }

  wide(count) { return count > 16 ? this.read(count - 16) * 65536 + this.read(16) : this.read(count); }
}
