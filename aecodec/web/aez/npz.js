// Arrays of an .npz file, a zip archive of NumPy's .npy files (FORMAT.md, section 8.1). Its sha256 was checked before.

import { ModelError } from "./errors.js";

const TYPES = {
  "|i1": Int8Array, "|u1": Uint8Array, "<u2": Uint16Array, "<f2": Uint16Array, "<i4": Int32Array, "<u4": Uint32Array,
  "<f4": Float32Array, "<f8": Float64Array, "<i8": BigInt64Array,
};

/** -> a function of a name, which gives a promise of { shape, data }, null where there is no such array. */
export function readNpz(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), entries = new Map();
  const end = bytes.length - 22; // the end record, which has no comment
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) throw new ModelError("arrays: not an .npz file");
  let at = view.getUint32(end + 16, true);
  for (let count = view.getUint16(end + 10, true); count > 0; count--) {
    const [method, size, length] = [view.getUint16(at + 10, true), view.getUint32(at + 20, true), view.getUint16(at + 28, true)];
    const head = view.getUint32(at + 42, true), name = text(bytes.subarray(at + 46, at + 46 + length));
    const start = head + 30 + view.getUint16(head + 26, true) + view.getUint16(head + 28, true);
    entries.set(name.replace(/\.npy$/, ""), { method, part: bytes.subarray(start, start + size) });
    at += 46 + length + view.getUint16(at + 30, true) + view.getUint16(at + 32, true);
  }
  return async (name) => (entries.has(name) ? array(await unpacked(entries.get(name))) : null);
}

const text = (bytes) => new TextDecoder("latin1").decode(bytes);

async function unpacked({ method, part }) {
  if (method === 0) return part;
  const stream = new Blob([part]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function array(bytes) {
  const wide = bytes[6] > 1; // version 2 and later: a length of 4 bytes
  const size = bytes[8] | (bytes[9] << 8), start = (wide ? 12 : 10) + size, head = text(bytes.subarray(8, start));
  const [, type] = /'descr': '(...?)'/.exec(head), Type = TYPES[type];
  if (!Type || /'fortran_order': True/.test(head)) throw new ModelError(`arrays: ${type} is not known here`);
  const shape = /'shape': \(([^)]*)\)/.exec(head)[1].split(",").map((n) => n.trim()).filter(Boolean).map(Number);
  return { shape, data: new Type(bytes.slice(start).buffer) };
}
