// What aez.js says of each file of a folder: node check_aez.mjs AEZ_JS FOLDER -> JSON by name.
import { readdirSync, readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [script, folder] = process.argv.slice(2);
const { read, tileArea, webpOf, readTile, readChunk, AezError } = await import(pathToFileURL(script));
const said = {};
for (const name of readdirSync(folder)) {
  const bytes = readFileSync(`${folder}/${name}`);
  try {
    const { header, tiles, chunks, size } = read(bytes);
    const webps = tiles.map((tile, number) => {
      if (!tile.exact) return null;
      const { width, height } = tileArea(header, number);
      try {
        return Buffer.from(webpOf(readTile(bytes, { tiles }, number), width, height, true)).toString("base64");
      } catch (error) {
        return error.name;
      }
    });
    const stored = chunks.map(({ tag }) => [tag, Buffer.from(readChunk(bytes, { chunks }, tag)).toString("base64")]);
    said[name] = { header, size, tiles: tiles.map(({ offset, size, exact }) => [offset, size, exact]), chunks: stored, webps };
  } catch (error) {
    if (!(error instanceof AezError)) throw error;
    said[name] = error.name;
  }
}
console.log(JSON.stringify(said));
