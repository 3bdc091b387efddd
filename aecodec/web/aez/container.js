// The container of FORMAT.md, versions 1 and 2. Nothing in a file is trusted: a length is used only after the checksum
// over it has been verified, and nothing is allocated that limits and checksums do not allow.

import { CorruptError, LimitError, NotAezError, TruncatedError, UnsupportedError } from "./errors.js";

export const LIMITS = Object.freeze({ pixels: 2 * 89478485, tiles: 1 << 13, metadata: 64 << 20 });
export const MIME = "image/x-aez";

const SIGNATURE = [0x89, 0x41, 0x45, 0x5a, 0x0d, 0x0a];
const HEADER = 26; // bytes
const VERSION = 2;
const KNOWN = ["ALPH", "iccp", "exif", "xmp "];

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** CRC-32 of bytes, as PNG and gzip have it. */
export function crc32(bytes) {
  let crc = ~0;
  for (let i = 0; i < bytes.length; i++) crc = TABLE[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Bytes as they may be given -> Uint8Array. */
export function view(bytes) {
  if (bytes instanceof Uint8Array) return bytes;
  if (bytes instanceof ArrayBuffer) return new Uint8Array(bytes);
  if (ArrayBuffer.isView(bytes)) return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  throw new TypeError("bytes: expected an ArrayBuffer or a view of one");
}

const u32 = (bytes, at) => (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
const u16 = (bytes, at) => bytes[at] | (bytes[at + 1] << 8);

function check(label, part, expected) {
  if (crc32(part) !== expected) throw new CorruptError(`${label}: wrong checksum`);
}

/** The first 26 bytes of a file -> { version, channels, model, quality, width, height, tile, rows, columns, tiles }. */
export function readHeader(bytes) {
  bytes = view(bytes);
  for (let i = 0; i < Math.min(SIGNATURE.length, bytes.length); i++)
    if (bytes[i] !== SIGNATURE[i]) throw new NotAezError("file: does not start with the signature of .aez");
  if (bytes.length < HEADER) throw new TruncatedError(`header: ${bytes.length} bytes, expected ${HEADER}`);
  check("header", bytes.subarray(0, HEADER - 4), u32(bytes, HEADER - 4));
  const version = bytes[6];
  if (version > VERSION) throw new UnsupportedError(`header: format version ${version}, expected 1 to ${VERSION}`);
  if (version < 1) throw new CorruptError("header: format version 0");
  const header = {
    version, channels: bytes[7], model: u16(bytes, 8), quality: u16(bytes, 10), width: u32(bytes, 12), height: u32(bytes, 16), tile: u16(bytes, 20),
  };
  for (const [name, low, high] of [["channels", 1, 4], ["width", 1, 0x7fffffff], ["height", 1, 0x7fffffff]])
    if (header[name] < low || header[name] > high) throw new CorruptError(`header: ${name} ${header[name]}, expected ${low} to ${high}`);
  header.rows = header.tile ? Math.ceil(header.height / header.tile) : 1;
  header.columns = header.tile ? Math.ceil(header.width / header.tile) : 1;
  header.tiles = header.rows * header.columns;
  return header;
}

/** The pixels of a tile: { x, y, width, height }. */
export function tileArea(header, number) {
  const edge = header.tile || Math.max(header.width, header.height);
  const x = (number % header.columns) * edge, y = Math.floor(number / header.columns) * edge;
  return { x, y, width: Math.min(edge, header.width - x), height: Math.min(edge, header.height - y) };
}

/**
 * Header and index; what follows them may be missing.
 * -> { header, chunks: [{ label, tag, offset, size, checksum }], tiles: [{ label, offset, size, checksum, exact }], size }
 */
export function readIndex(bytes, limits = LIMITS) {
  bytes = view(bytes);
  const header = readHeader(bytes);
  limit(limits, "pixels", header.width * header.height);
  limit(limits, "tiles", header.tiles);
  const least = HEADER + 1 + 5 * header.tiles + 4;
  if (bytes.length < least) throw new TruncatedError(`index: ${bytes.length - HEADER} bytes, expected at least ${least - HEADER}`);
  const count = bytes[HEADER], chunks = [], tiles = [];
  let at = HEADER + 1;
  const need = (size) => {
    if (at + size > bytes.length) throw new TruncatedError(`index: goes on after the end of the file at byte ${bytes.length}`);
  };
  for (let number = 0; number < count + header.tiles; number++) {
    const entry = { label: `tile ${number - count}` };
    if (number < count) {
      entry.tag = String.fromCharCode(...bytes.subarray(at, at + 4));
      entry.label = `chunk ${entry.tag.trim()}`;
      at += 4;
    }
    let byte = 128;
    entry.size = 0;
    for (let shift = 0; byte >= 128; shift += 7) {
      if (shift > 28) throw new CorruptError(`index: length before byte ${at}, expected at most 5 bytes`);
      need(1);
      byte = bytes[at++];
      entry.size += (byte % 128) * 2 ** shift;
      if (byte === 0 && shift) throw new CorruptError(`index: length before byte ${at}, expected in the fewest bytes`);
    }
    if (entry.size >= 2 ** 32) throw new CorruptError(`index: length before byte ${at}, expected less than 2^32`);
    need(4);
    entry.checksum = u32(bytes, at);
    at += 4;
    (number < count ? chunks : tiles).push(entry);
  }
  need(4);
  check("index", bytes.subarray(HEADER, at), u32(bytes, at));
  at += 4;
  for (const tile of tiles) {
    tile.exact = header.version > 1 && tile.size % 2 === 1;
    if (header.version > 1) tile.size = Math.floor(tile.size / 2);
  }
  checkExact(header, tiles);
  checkTags(header, chunks.map((chunk) => chunk.tag));
  limit(limits, "metadata", chunks.reduce((sum, chunk) => sum + (chunk.tag === "ALPH" ? 0 : chunk.size), 0));
  for (const entry of [...chunks, ...tiles]) {
    entry.offset = at;
    at += entry.size;
  }
  return { header, chunks, tiles, size: at };
}

function limit(limits, name, asked) {
  const allowed = limits[name] ?? LIMITS[name];
  if (asked > allowed) throw new LimitError(`file: ${asked} ${name}, limit ${allowed}`);
}

function checkExact({ version, model, quality }, tiles) {
  const exact = tiles.filter((tile) => tile.exact).length, all = exact === tiles.length;
  if (version > 1 && !exact) throw new CorruptError("index: no tile is exact, expected one in format version 2");
  if (all !== (model === 0)) throw new CorruptError(`header: model ${model}, but ${exact} of ${tiles.length} tiles are exact`);
  if (all && quality) throw new CorruptError(`header: quality ${quality}, expected 0 where all tiles are exact`);
}

function checkTags({ model, channels }, tags) {
  for (const tag of tags)
    if (!/^[A-Za-z][A-Za-z0-9 ]{3}$/.test(tag)) throw new CorruptError("index: chunk tag, expected a letter and three letters, digits or spaces");
  for (const tag of tags)
    if (/^[A-Z]/.test(tag) && !KNOWN.includes(tag)) throw new UnsupportedError(`chunk ${tag}: required but unknown, needs a later reader`);
  for (const tag of KNOWN)
    if (tags.filter((other) => other === tag).length > 1) throw new CorruptError(`chunk ${tag.trim()}: more than once`);
  const alpha = channels % 2 === 0, inTiles = alpha && model === 0;
  if (tags.includes("ALPH") !== alpha && !inTiles) throw new CorruptError(`chunk ALPH: found or missing against channels, ${channels}`);
}

/** The bytes of a chunk or a tile, by its entry of the index, checked. */
export function readPart(bytes, { offset, size, checksum, label }) {
  const part = bytes.subarray(offset, offset + size);
  if (part.length < size) throw new TruncatedError(`${label}: ${part.length} bytes, expected ${size}`);
  check(label, part, checksum);
  return part;
}

/** The bitstream of one tile, checked; no other tile is read. */
export const readTile = (bytes, index, number) => readPart(view(bytes), index.tiles[number]);

/** The data of the chunk with a tag, checked; null where there is none. */
export function readChunk(bytes, index, tag) {
  const entry = index.chunks.find((chunk) => chunk.tag === tag);
  return entry ? readPart(view(bytes), entry) : null;
}

/** A whole file, all of it checked: its index, with `data` in each chunk and tile. */
export function read(bytes, limits = LIMITS) {
  bytes = view(bytes);
  const index = readIndex(bytes, limits);
  if (bytes.length !== index.size) {
    const error = bytes.length < index.size ? TruncatedError : CorruptError;
    throw new error(`file: ${bytes.length} bytes, expected ${index.size}`);
  }
  for (const entry of [...index.tiles, ...index.chunks]) entry.data = readPart(bytes, entry);
  return index;
}
