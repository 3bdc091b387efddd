// Models by their id: fetched once, kept in the browser's cache, and each file checked against its sha256.

import { ModelError, UnsupportedError } from "./errors.js";
import { Model } from "./model.js";
import { openRuntime } from "./networks.js";
import { sha256 } from "./sha256.js";

const CACHE = "aecodec-weights";

export class Models {
  /**
   * weights: address of a folder like aecodec's weights/, or a function of a path in it that gives a promise of bytes.
   * runtime: address of a folder with the files of onnxruntime-web, or its module. threads: of the runtime, at most.
   */
  constructor({ weights, runtime, threads }) {
    const folder = (url) => new URL(String(url).replace(/\/?$/, "/"), globalThis.location?.href);
    this.label = typeof weights === "function" ? "what was given" : folder(weights).href;
    this.read = typeof weights === "function"
      ? async (path, sum) => checked(path, await weights(path), sum)
      : (path, sum) => fetched(new URL(path, this.label), sum);
    this.runtime = once(async () => (runtime?.InferenceSession ? runtime : openRuntime(folder(runtime).href, threads)));
    this.manifest = once(async () => modelsOf(await this.read("manifest.json")));
    this.models = new Map();
  }

  /** The model with an id. UnsupportedError where there is none; ModelError for damaged weights. */
  get(id) {
    if (!this.models.has(id)) this.models.set(id, once(() => this.open(id)));
    return this.models.get(id)();
  }

  async open(id) {
    const number = `0x${id.toString(16).padStart(4, "0")}`;
    const [name, entry] = (await this.manifest()).find(([, { id: other }]) => other === id) ?? [];
    if (!name) throw new UnsupportedError(`model ${number}: the weights are missing at ${this.label}`);
    const sums = { ...entry.auxiliary, ...entry.files };
    const read = async (file) => {
      if (!sums[file]) throw new ModelError(`model ${number}: the manifest has no ${file}`);
      return this.read(`${name}/${file}`, sums[file]);
    };
    return Model.open(entry, read, this.runtime);
  }
}

function modelsOf(manifest) {
  try {
    return Object.entries(JSON.parse(new TextDecoder().decode(manifest)).models);
  } catch {
    throw new ModelError("weights: manifest.json is not a manifest of models");
  }
}

// The promise of a function that is called once; after a failure it is called again.
function once(make) {
  let promise = null;
  return () => (promise ??= make().catch((error) => { promise = null; throw error; }));
}

async function checked(file, bytes, expected) {
  if (!expected) return bytes; // the manifest, which has the sums of all others
  if (!globalThis.crypto?.subtle) throw new ModelError("weights: this page has no sha256, expected one of https or of this machine");
  const sum = await sha256(bytes);
  if (sum !== expected) throw new ModelError(`weights: sha256 of ${file} is ${sum.slice(0, 16)}, expected ${expected.slice(0, 16)}`);
  return bytes;
}

// Bytes from the cache, if a sum names them, or from the network.
async function fetched(url, sum) {
  if (!sum) return answered(url);
  const cache = await globalThis.caches?.open(CACHE).catch(() => null), key = `${url}?sha256=${sum}`;
  const kept = await cache?.match(key);
  const known = kept && (await checked(url, await bytesOf(kept), sum).catch(() => null));
  if (known) return known;
  const bytes = await checked(url, await answered(key), sum);
  await cache?.delete(url, { ignoreSearch: true }); // other weights of this name
  await cache?.put(key, new Response(bytes)).catch(() => {}); // a full disk is no failure
  return bytes;
}

async function answered(url) {
  const answer = await fetch(url).catch(() => null);
  if (!answer?.ok) throw new ModelError(`the weights are missing: ${answer ? `status ${answer.status}` : "no answer"} for ${url}`);
  return bytesOf(answer);
}

const bytesOf = async (answer) => new Uint8Array(await answer.arrayBuffer());
