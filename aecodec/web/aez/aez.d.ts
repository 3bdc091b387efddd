// Types of aez.js.

/** Pixels, RGBA with 8 bits each, not premultiplied; ImageData in browsers. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray;
}

export interface Limits {
  /** width x height, by default 178956970 */
  pixels?: number;
  /** by default 8192 */
  tiles?: number;
  /** bytes of all chunks but alpha, by default 64 MiB */
  metadata?: number;
}

export interface DecodeOptions {
  /** x, y, width and height in pixels; null for the whole image. */
  region?: [number, number, number, number] | null;
  /** 1, 1/2, 1/4, 1/8 or 1/16: a pixel for each square of so many pixels. */
  scale?: number;
  limits?: Limits;
  /** What files with learned tiles need. */
  models?: Models | null;
  /** Decodes a WebP file to RGBA; by default the browser does. */
  webp?: (file: Uint8Array, width: number, height: number, alpha: boolean) => Promise<Uint8Array | Uint8ClampedArray>;
}

/**
 * Bytes of a file, or its address, of which no more is fetched than region and scale need, if its server knows ranges.
 * Rejects with an AezError for the file, its server, the weights or the runtime, with a RangeError for a region or a scale.
 */
export function decode(file: ArrayBuffer | ArrayBufferView | string | URL, options?: DecodeOptions): Promise<ImageData>;

export interface Source {
  /** Address of a folder with manifest.json and the models' folders, or what reads a path in it. */
  weights: string | URL | ((path: string) => Promise<Uint8Array>);
  /** Address of a folder with the files of onnxruntime-web, or its module. */
  runtime: string | URL | object;
  /** Threads of the runtime, at most; by default one less than the cores, up to four. Pages have them where they are cross-origin isolated. */
  threads?: number;
}

/** Models, each loaded once it is needed, each file checked against its sha256 and kept in the browser's cache. */
export class Models {
  constructor(source: Source);
  get(id: number): Promise<object>;
}

export class AezError extends Error {}
export class NotAezError extends AezError {}
export class TruncatedError extends AezError {}
export class CorruptError extends AezError {}
export class UnsupportedError extends AezError {}
export class LimitError extends AezError {}
export class FetchError extends AezError {}
export class ModelError extends AezError {}

export interface Header {
  version: number;
  channels: number;
  model: number;
  /** 4096 x the tuning, 0 for the PSNR or 1 for the eye, + the position on the model's axis. */
  quality: number;
  width: number;
  height: number;
  tile: number;
  rows: number;
  columns: number;
  tiles: number;
}

export interface Part {
  /** What messages call it, such as "tile 3". */
  label: string;
  offset: number;
  size: number;
  checksum: number;
  data?: Uint8Array;
}

export interface Index {
  header: Header;
  chunks: (Part & { tag: string })[];
  tiles: (Part & { exact: boolean })[];
  size: number;
}

export const MIME: "image/x-aez";
export const LIMITS: Readonly<Required<Limits>>;
export function crc32(bytes: Uint8Array): number;
export function readHeader(bytes: ArrayBuffer | ArrayBufferView): Header;
export function readIndex(bytes: ArrayBuffer | ArrayBufferView, limits?: Limits): Index;
export function read(bytes: ArrayBuffer | ArrayBufferView, limits?: Limits): Index;
export function readTile(bytes: ArrayBuffer | ArrayBufferView, index: Index, number: number): Uint8Array;
export function readChunk(bytes: ArrayBuffer | ArrayBufferView, index: Index, tag: string): Uint8Array | null;
export function tileArea(header: Header, number: number): { x: number; y: number; width: number; height: number };
export function webpOf(bitstream: Uint8Array, width: number, height: number, alpha: boolean): Uint8Array;
