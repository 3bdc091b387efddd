// Decompresses each N.zst of a folder and compares with N.raw, then damages it: node unzstd.mjs AEZ_FOLDER FOLDER -> JSON.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [code, folder] = process.argv.slice(2);
const { unzstd } = await import(pathToFileURL(join(code, "zstd.js")));
const said = { equal: 0, refused: 0 };
let seed = 1;
const random = (limit) => (seed = (seed * 48271) % 2147483647) % limit;
for (const name of readdirSync(folder).filter((name) => name.endsWith(".zst"))) {
  const frame = new Uint8Array(readFileSync(join(folder, name))), raw = readFileSync(join(folder, name.replace("zst", "raw")));
  said.equal += Buffer.compare(unzstd(frame, raw.length), raw) === 0;
  for (let turn = 0; turn < 20; turn++) {
    const damaged = frame.slice(0, turn % 4 ? frame.length : random(frame.length));
    if (damaged.length) damaged[random(turn % 2 ? Math.min(damaged.length, 40) : damaged.length)] ^= 1 << random(8);
    try {
      unzstd(damaged, raw.length);
    } catch (error) {
      if (error.name !== "CorruptError") throw error;
      said.refused++;
    }
  }
}
console.log(JSON.stringify(said));
