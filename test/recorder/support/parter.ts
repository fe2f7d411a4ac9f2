/**
 * A program with one call that is too large for a request: its tree is sent in parts.
 *
 *     parter.ts <options of the recorder as JSON> <events below the call>
 */
import { createRecorder } from '../../../src/recorder/index.ts';

const [options, count] = process.argv.slice(2) as [string, string];
const recorder = createRecorder(JSON.parse(options));
await recorder.call('nightly', { params: { day: 1 } }, (call) => {
  for (let nth = 0; nth < Number(count); nth++) call.record({ type: 'note', message: String(nth) });
});
await recorder.close();
