// Files that the browser decodes itself: those of models that it can run, if it has a runtime.

import { readIndex } from "./aez/container.js";
import { Decoder } from "./aez/element.js";
import { ModelError } from "./aez/errors.js";
import { ask, at } from "./ask.js";

const about = ask("decoder").then((answer) => answer.json()).catch(() => ({ models: [] }));
let decoder = null;

/** A picture of the folder -> a PNG, or null where the server has to decode it. Sets what is to be said of it, `by`. */
export async function decodedHere(picture, signal) {
  const { models, missing, limits } = await about;
  picture.by = "";
  if (!picture.path || !models.includes(picture.model)) return null;
  if (missing) {
    picture.by = missing;
    return null;
  }
  const bytes = await (await ask(at("file", picture.path), { signal })).arrayBuffer(), start = performance.now();
  if (readIndex(bytes, limits).chunks.some(({ tag }) => tag === "iccp" || tag === "exif")) return null; // colours, turns
  try {
    const image = await (decoder ??= new Decoder()).decode(bytes, { limits, signal });
    picture.by = `decoded by this browser in ${((performance.now() - start) / 1e3).toFixed(1)} s`;
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return await new Promise((resolve) => canvas.toBlob(resolve));
  } catch (error) {
    if (!(error instanceof ModelError)) throw error;
    picture.by = error.message;
    return null;
  }
}
