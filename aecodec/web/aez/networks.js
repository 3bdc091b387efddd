// Networks as ONNX Runtime Web runs them: static ones in integers, with the same results on every processor.

import { ModelError } from "./errors.js";

const MODULE = "ort.wasm.min.mjs"; // of onnxruntime-web: WebAssembly alone, without WebGPU
const THREADS = 4; // more do not pay

/** The runtime from a folder of onnxruntime-web's files: url ends with a slash. */
export async function openRuntime(url) {
  let ort;
  try {
    ort = await import(new URL(MODULE, url));
  } catch {
    throw new ModelError(`the runtime is missing: no ${MODULE} of onnxruntime-web at ${url}`);
  }
  ort.env.wasm.wasmPaths = url;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, THREADS) : 1;
  return ort;
}

/** The networks of one model: `read` gives the bytes of its file, `runtime` the module of ONNX Runtime. */
export class Networks {
  constructor(read, runtime) {
    Object.assign(this, { read, runtime, sessions: new Map(), last: Promise.resolve() });
  }

  /** Runs a network on inputs, [typed array, shape] -> its only output, a typed array. One runs at a time. */
  run(name, ...inputs) {
    const result = this.last.then(() => this.runNow(name, inputs));
    this.last = result.catch(() => {});
    return result;
  }

  async runNow(name, inputs) {
    if (!this.sessions.has(name)) this.sessions.set(name, await this.open(name));
    const { Tensor } = await this.runtime(), session = this.sessions.get(name), types = { Float32Array: "float32", Int32Array: "int32" };
    const tensors = inputs.map(([data, shape]) => new Tensor(types[data.constructor.name], data, shape));
    try {
      const results = await session.run(Object.fromEntries(session.inputNames.map((input, i) => [input, tensors[i]])));
      return results[session.outputNames[0]].data;
    } catch (error) {
      throw new ModelError(`the network ${name} cannot run, perhaps for want of memory: ${line(error)}`);
    }
  }

  async open(name) {
    const [graph, { InferenceSession }] = await Promise.all([this.read(`${name}.onnx`), this.runtime()]);
    const options = { executionProviders: ["wasm"], graphOptimizationLevel: "basic", logSeverityLevel: 4 }; // run what is written
    try {
      return await InferenceSession.create(graph, options);
    } catch (error) {
      throw new ModelError(`this browser cannot run the network ${name}: ${line(error)}`);
    }
  }
}

const line = (error) => String(error?.message ?? error).replace(/\s+/g, " ").trim();
