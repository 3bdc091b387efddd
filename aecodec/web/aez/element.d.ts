// Types of element.js.

import type { DecodeOptions } from "./aez.js";

export interface Addresses {
  /** Of a folder with manifest.json and the models' folders; "weights/" by default. */
  weights?: string;
  /** Of a folder with the files of onnxruntime-web; "runtime/" by default. */
  runtime?: string;
  /** Threads of the runtime, at most; by default one less than the cores, up to four. */
  threads?: number;
}

/** `decode` in a worker, one file after another. */
export class Decoder {
  constructor(source?: Addresses);
  decode(
    file: ArrayBuffer | ArrayBufferView | string | URL,
    options?: Pick<DecodeOptions, "region" | "scale" | "limits"> & { signal?: AbortSignal | null },
  ): Promise<ImageData>;
  close(): void;
}

/**
 * Defines <aez-img src="image.aez" alt="..." region="x y width height" scale="1/8">, of which src alone is needed, and which
 * dispatches `load`, or `error` with a message.
 */
export function define(options?: Addresses & { name?: string }): void;
