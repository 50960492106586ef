/**
 * @module
 * Compression that ends at once. That of Node's threads ends when it likes, and what runs beside it then takes another
 * course each time, whatever the seed. To be imported before what compresses.
 */
import { syncBuiltinESMExports } from "node:module";
import zlib from "node:zlib";

type Done = (error: Error | null, result: Buffer) => void;

function atOnce(sync: (content: zlib.InputType, options?: zlib.ZlibOptions) => Buffer) {
  return (content: zlib.InputType, options: zlib.ZlibOptions, done: Done): void => done(null, sync(content, options));
}

Object.assign(zlib, { gzip: atOnce(zlib.gzipSync), gunzip: atOnce(zlib.gunzipSync) });
syncBuiltinESMExports();
