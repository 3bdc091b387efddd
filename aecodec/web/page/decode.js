// Files that the browser decodes itself: those of models that it can run, if it has a runtime.

import { readIndex } from "./aez/container.js";
import { Decoder } from "./aez/element.js";
import { ModelError } from "./aez/errors.js";
import { about, ask, at, decodes } from "./ask.js";

const known = about().catch(() => ({ models: [] }));
let decoder = null;

/** A picture -> a PNG, or null where there is one elsewhere. Sets what is to be said of it, `by`. */
export async function decodedHere(picture, signal) {
  const { models, missing, limits } = await known, elsewhere = decodes(picture);
  picture.by = "";
  if (elsewhere && !(picture.path && models.includes(picture.model))) return null;
  if (elsewhere && missing) {
    picture.by = missing;
    return null;
  }
  const file = picture.blob ?? (await ask(at("file", picture.path), { signal }));
  const bytes = await file.arrayBuffer(), start = performance.now(), { chunks, header } = readIndex(bytes, limits);
  if (elsewhere && chunks.some(({ tag }) => tag === "iccp" || tag === "exif")) return null; // colours, turns
  Object.assign(picture, { width: header.width, height: header.height });
  try {
    const image = await (decoder ??= new Decoder()).decode(bytes, { limits, signal });
    picture.by = `decoded by this browser in ${((performance.now() - start) / 1e3).toFixed(1)} s`;
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return await new Promise((resolve) => canvas.toBlob(resolve));
  } catch (error) {
    if (!elsewhere || !(error instanceof ModelError)) throw error;
    picture.by = error.message;
    return null;
  }
}
