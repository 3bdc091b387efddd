// What aez.js makes of files at addresses: node fetch_aez.mjs AEZ_FOLDER RUNTIME WEIGHTS < [[address, options], ...] -> JSON, for
// each of them width, height and the pixels in base64, or the error's name and message.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [code, runtime, weights] = process.argv.slice(2);
const load = (folder, name) => import(pathToFileURL(join(folder, name)));
const { AezError, decode, Models } = await load(code, "aez.js");
const ort = await load(runtime, "ort.wasm.min.mjs");
ort.env.wasm.numThreads = 1;
const models = new Models({ weights: async (path) => new Uint8Array(readFileSync(join(weights, path))), runtime: ort });

const said = [];
for (const [address, options] of JSON.parse(readFileSync(0))) {
  try {
    const { width, height, data } = await decode(address, { ...options, models });
    said.push({ width, height, pixels: Buffer.from(data).toString("base64") });
  } catch (error) {
    if (!(error instanceof AezError)) throw error;
    said.push({ error: error.name, message: error.message });
  }
}
console.log(JSON.stringify(said));
