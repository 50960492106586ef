/**
 * @module
 * Synchronous compression. Node's threads finish at random times, so that concurrent code would run differently each
 * time, whatever the seed. Import it before modules that compress.
 */
import { syncBuiltinESMExports } from "node:module";
import zlib from "node:zlib";

type Done = (error: Error | null, result: Buffer) => void;

function atOnce(sync: (content: zlib.InputType, options?: zlib.ZlibOptions) => Buffer) {
  return (content: zlib.InputType, options: zlib.ZlibOptions, done: Done): void => done(null, sync(content, options));
}

Object.assign(zlib, { gzip: atOnce(zlib.gzipSync), gunzip: atOnce(zlib.gunzipSync) });
syncBuiltinESMExports();
