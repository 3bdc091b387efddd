// Decodes in a worker, so that the page stays alive. { source } names weights and runtime once; then { id, file, options }
// is answered by { id, image } or { id, error }.

import { decode, Models } from "./aez.js";

let models = null;

self.addEventListener("message", async ({ data: { source, id, file, options } }) => {
  if (source) {
    models = new Models(source);
    return;
  }
  try {
    const { width, height, data } = await decode(file, { ...options, models });
    self.postMessage({ id, image: { width, height, data } }, [data.buffer]);
  } catch (error) {
    const memory = error instanceof RangeError && /alloc|length/i.test(error.message);
    self.postMessage({ id, error: { name: error.name, message: memory ? "out of memory" : error.message } });
  }
});
