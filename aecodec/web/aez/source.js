// The parts of a file that a decode needs: of bytes that are here, or by ranges of bytes from an address.

import { read, readIndex, readPart, view } from "./container.js";
import { FetchError, TruncatedError } from "./errors.js";

const FIRST = 4096; // bytes: header and index of 30 megapixels
const GAP = 4096; // bytes between parts that are fetched along with them, because a request costs more

/**
 * Bytes of a file, or its address -> { index, load }. load(entries of the index) gives each of them its `data`, checked.
 * The whole image at its whole size, region null and factor 1, is fetched at once.
 */
export async function openSource(file, limits, { region, factor }) {
  const address = typeof file === "string" || file instanceof URL;
  if (address && (region || factor > 1)) return openRanges(file, limits);
  return opened(address ? (await answered(file)).bytes : view(file), limits, !region);
}

// A file that is here. whole: check all of it.
function opened(bytes, limits, whole = false) {
  const index = whole ? read(bytes, limits) : readIndex(bytes, limits);
  return { index, load: async (entries) => take(entries, bytes) };
}

async function openRanges(url, limits) {
  for (let asked = FIRST; ; asked *= 4) {
    const { bytes, all } = await fetched(url, 0, asked);
    if (all) return opened(bytes, limits);
    try {
      const index = readIndex(bytes, limits);
      return { index, load: (entries) => loadRanges(url, entries, bytes) };
    } catch (error) {
      if (!(error instanceof TruncatedError) || bytes.length < asked) throw error; // the file ends here
    }
  }
}

// Gives entries their data, which is fetched unless it lies in the head of the file.
async function loadRanges(url, entries, head) {
  const within = ({ offset, size }) => !size || offset + size <= head.length;
  take(entries.filter(within), head);
  await Promise.all(spansOf(entries.filter((entry) => !within(entry))).map(async ({ start, end, entries }) => {
    const { bytes, all } = await fetched(url, start, end);
    take(entries, bytes, all ? 0 : start);
  }));
}

function take(entries, bytes, start = 0) {
  for (const entry of entries) entry.data ??= readPart(bytes, { ...entry, offset: entry.offset - start });
}

// { start, end, entries } of a file, those that lie close together in one.
function spansOf(entries) {
  const spans = [];
  for (const entry of entries.slice().sort((a, b) => a.offset - b.offset)) {
    const { offset: start, size } = entry, end = start + size, last = spans.at(-1);
    if (last && start <= last.end + GAP) {
      last.end = end;
      last.entries.push(entry);
    } else spans.push({ start, end, entries: [entry] });
  }
  return spans;
}

// Bytes of a file from start up to end, or to its own end; all of them from a server without ranges.
async function fetched(url, start, end) {
  const { status, range, bytes } = await answered(url, { headers: { Range: `bytes=${start}-${end - 1}` } });
  if (status !== 206) return { bytes, all: true };
  const first = /^bytes (\d+)-/.exec(range ?? "")?.[1]; // other origins need not show it; the checksums would tell
  if (Number(first ?? start) !== start || bytes.length > end - start)
    throw new FetchError(`file: asked for bytes ${start} to ${end - 1}, but its server sent others`);
  return { bytes, all: false };
}

async function answered(url, options) {
  const answer = await fetch(url, options).catch(() => null);
  if (!answer) throw new FetchError("file: its server does not answer");
  if (!answer.ok) throw new FetchError(`file: its server answers ${answer.status} ${answer.statusText}`.trim());
  try {
    return { status: answer.status, range: answer.headers.get("Content-Range"), bytes: new Uint8Array(await answer.arrayBuffer()) };
  } catch {
    throw new FetchError("file: its server broke off");
  }
}
