// For `npm run test:direct`: each file is opened with `direct`. Else the build is left alone: mutants' tests of the kernel have none.
if (process.env.PINFOLD_TEST_DIRECT) (await import('./directly.mjs')).openAsTest();

export {};
