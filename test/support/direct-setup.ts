// For `npm run test:direct`: each file is opened with `direct`.
import { openAsTest } from './directly.mjs';

openAsTest();
