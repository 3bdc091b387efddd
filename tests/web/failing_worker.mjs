// What a Decoder says while its first worker fails, those after it answer, and it is closed: node failing_worker.mjs ELEMENT_JS -> JSON.
import { pathToFileURL } from "node:url";

let workers = 0;
globalThis.document = { baseURI: "http://localhost/" };
globalThis.HTMLElement = class {};
globalThis.ImageData = class { constructor(data, width, height) { Object.assign(this, { data, width, height }); } };
globalThis.Worker = class {
  constructor() {
    this.number = ++workers;
    this.listeners = {};
  }
  addEventListener(kind, listener) {
    this.listeners[kind] = listener;
  }
  postMessage({ source, id }) {
    if (source || this.ended) return;
    const image = { width: this.number, height: 1, data: [] };
    setTimeout(() => {
      if (this.number === 1) this.listeners.error({ preventDefault() {}, message: "no module" });
      else this.listeners.message({ data: { id, image } });
    });
  }
  terminate() {
    this.ended = true;
  }
};

const { Decoder } = await import(pathToFileURL(process.argv[2]));
const decoder = new Decoder(), said = [];
const decode = () => decoder.decode(new Uint8Array(1)).then(({ width }) => width, (error) => `${error.name}: ${error.message}`);
for (let i = 0; i < 3; i++) said.push(await decode());
const both = [decode(), decode()]; // one under way while the decoder is closed, one behind it
await new Promise((resolve) => queueMicrotask(resolve));
decoder.close();
said.push(...(await Promise.all(both)));
console.log(JSON.stringify(said));
