// Networks as ONNX Runtime Web runs them: static ones in integers, with the same results on every processor.

import { ModelError } from "./errors.js";

const MODULE = "ort.wasm.min.mjs"; // of onnxruntime-web: WebAssembly alone, without WebGPU
const THREADS = 4; // at most; one core is left to the page

/** The runtime from a folder of onnxruntime-web's files: url ends with a slash. It has threads where a page is isolated. */
export async function openRuntime(url, threads = Math.max(1, Math.min(navigator.hardwareConcurrency - 1, THREADS))) {
  let ort;
  try {
    ort = await import(new URL(MODULE, url));
  } catch {
    throw new ModelError(`the runtime is missing: no ${MODULE} of onnxruntime-web at ${url}`);
  }
  ort.env.wasm.wasmPaths = url;
  ort.env.wasm.numThreads = globalThis.crossOriginIsolated ? threads : 1;
  return ort;
}

/** The networks of one model: `read` gives the bytes of its file, `runtime` the module of ONNX Runtime. */
export class Networks {
  constructor(read, runtime) {
    Object.assign(this, { read, runtime, sessions: new Map(), last: Promise.resolve() });
  }

  /** Runs a network on inputs, [typed array, shape] -> its only output, a typed array. */
  async run(name, ...inputs) {
    return (await this.runAll(name, ...inputs))[0];
  }

  /** The same with all its outputs, in order. One network runs at a time. */
  runAll(name, ...inputs) {
    const result = this.last.then(() => this.runNow(name, inputs));
    this.last = result.catch(() => {});
    return result;
  }

  /** The session of a network, which is opened once; opening begins when it is first asked for. */
  session(name) {
    if (!this.sessions.has(name)) {
      const session = this.open(name);
      session.catch(() => this.sessions.delete(name));
      this.sessions.set(name, session);
    }
    return this.sessions.get(name);
  }

  async runNow(name, inputs) {
    const { Tensor } = await this.runtime(), session = await this.session(name);
    const types = { Float32Array: "float32", Int32Array: "int32" };
    const tensors = inputs.map(([data, shape]) => new Tensor(types[data.constructor.name], data, shape));
    try {
      const results = await session.run(Object.fromEntries(session.inputNames.map((input, i) => [input, tensors[i]])));
      return session.outputNames.map((output) => results[output].data);
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
