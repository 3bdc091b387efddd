// What can be wrong with a file, by the names that Python has for it, with its server, and with the weights or the runtime.

export class AezError extends Error {
  get name() { return this.constructor.name; }
}
export class NotAezError extends AezError {}
export class TruncatedError extends AezError {}
export class CorruptError extends AezError {}
export class UnsupportedError extends AezError {}
export class LimitError extends AezError {}
export class FetchError extends AezError {} // a server has no such file, or breaks off
export class ModelError extends AezError {} // weights or runtime are missing, or are not what they should be

const CLASSES = { RangeError, TypeError, NotAezError, TruncatedError, CorruptError, UnsupportedError, LimitError, FetchError, ModelError };

/** An error as it comes out of a worker, with its class again. */
export const revived = ({ name, message }) => new (CLASSES[name] ?? AezError)(message);
