/** The page's script, bundled (scripts/inline-page.ts). */
declare module 'pinfold:page-script' {
  const source: string;
  export default source;
}

/** The page's style sheet, that of the charts included. */
declare module 'pinfold:page-style' {
  const source: string;
  export default source;
}
