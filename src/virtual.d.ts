/** A compiled kernel module, inlined at build time. */
declare module '*.wasm' {
  const bytes: Uint8Array<ArrayBuffer>;
  export default bytes;
}

/** Source of the service thread, for `new Worker(source, { eval: true })` (scripts/inline-services.ts). */
declare module 'pinfold:service' {
  const source: string;
  export default source;
}

/** The same with the harness's hooks; never part of the published files. */
declare module 'pinfold:service-harness' {
  const source: string;
  export default source;
}
