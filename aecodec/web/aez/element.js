// <aez-img src="image.aez" alt="..."> shows a file; what is wrong with it stands in its place. With region="x y width height"
// or scale="1/8" no more of the file is fetched than that takes.
//
//   import { define } from "./element.js";
//   define({ weights: "/weights/", runtime: "/runtime/" });

import { ModelError, revived } from "./errors.js";

/** `decode` of aez.js in a worker, for files of the web: source is what `Models` takes, as addresses. */
export class Decoder {
  constructor(source = {}) {
    const { weights = "weights/", runtime = "runtime/", threads } = source;
    this.waiting = new Map();
    this.last = Promise.resolve();
    this.count = 0;
    this.source = { weights: address(weights), runtime: address(runtime), threads };
    this.worker = null;
  }

  /** Starts a worker: the first one, or another after one that has failed. */
  start() {
    this.worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    this.worker.postMessage({ source: this.source });
    this.worker.addEventListener("message", ({ data: { id, image, error } }) => {
      const call = this.waiting.get(id); // none, if the worker was ended meanwhile
      this.waiting.delete(id);
      if (error) call?.reject(revived(error));
      else call?.resolve(new ImageData(image.data, image.width, image.height));
    });
    this.worker.addEventListener("error", (event) => {
      event.preventDefault();
      this.close(`the decoder has stopped: ${event.message ?? "it did not load"}`);
    });
  }

  /** Bytes of a file, or its address -> promise of ImageData, one after another. options: of `decode`, and signal. */
  decode(file, { signal = null, ...options } = {}) {
    const result = this.last.then(() => {
      signal?.throwIfAborted();
      const id = this.count++;
      return new Promise((resolve, reject) => {
        this.waiting.set(id, { resolve, reject });
        if (!this.worker) this.start();
        this.worker.postMessage({ id, file: typeof file === "string" || file instanceof URL ? address(file) : file, options });
      });
    });
    this.last = result.catch(() => {});
    return result;
  }

  /** Ends the worker; what it was decoding fails. The next call of `decode` starts another. */
  close(why = "the decoder was closed") {
    this.worker?.terminate();
    this.worker = null;
    for (const { reject } of this.waiting.values()) reject(new ModelError(why));
    this.waiting.clear();
  }
}

const address = (url) => new URL(url, document.baseURI).href;

/** Defines the element; all elements of a page share one decoder, which starts with the first of them. */
export function define({ name = "aez-img", ...source } = {}) {
  let decoder = null;
  customElements.define(name, class extends HTMLElement {
    static observedAttributes = ["src", "region", "scale"];

    attributeChangedCallback() { // once for those that change together
      this.asked ??= Promise.resolve().then(() => { this.asked = null; this.show(); });
    }

    options() {
      const region = this.getAttribute("region")?.trim().split(/[\s,]+/).map(Number) ?? null;
      const [, top, bottom] = /^\s*([\d.]+)\s*(?:\/\s*([\d.]+)\s*)?$/.exec(this.getAttribute("scale") ?? "1") ?? [];
      return { region, scale: top / (bottom ?? 1) };
    }

    async show() {
      const turn = (this.turn = {}), root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
      const message = (text) => root.replaceChildren(Object.assign(document.createElement("span"), { textContent: text, role: "status" }));
      message("…");
      try {
        const image = await (decoder ??= new Decoder(source)).decode(this.getAttribute("src") ?? "", this.options());
        if (turn !== this.turn) return;
        const { width, height } = image, ariaLabel = this.getAttribute("alt") ?? "";
        const canvas = Object.assign(document.createElement("canvas"), { width, height, role: "img", ariaLabel });
        canvas.style.maxWidth = "100%";
        canvas.getContext("2d").putImageData(image, 0, 0);
        root.replaceChildren(canvas);
        this.dispatchEvent(new Event("load"));
      } catch (error) {
        if (turn !== this.turn) return;
        message(error.message);
        this.dispatchEvent(new ErrorEvent("error", { error, message: error.message }));
      }
    }
  });
}
