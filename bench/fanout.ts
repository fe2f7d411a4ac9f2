/**
 * How fast events reach those who watch, beside what `ws` can send at all and beside what one writes by
 * hand with Yoga, graphql-ws and Redis. All in one run, in turns; each server and each load in a process
 * of its own. Every delivery is counted and held against what was due: one that is missing, doubled or out
 * of place ends the run with exit code 1, and each run begins by proving that it would be noticed.
 *
 *     npm run bench:fanout [-- --seconds 3 --rounds 3 --case 1 --case 4 --json | --markdown]
 *
 * `--charts` draws the pictures of docs/performance.md anew, from a run of all cases. `--server` measures
 * another build than dist/cli.js.
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { CASES } from './fanout/cases.ts';
import { printJson, printMarkdown, printResults, type Result, writeCharts } from './fanout/report.ts';
import { checkCounting } from './fanout/self-check.ts';
import { openFanoutStage } from './fanout/stage.ts';
import { describeMachine } from './support/report.ts';

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    case: { type: 'string', multiple: true, default: CASES.map(({ number }) => String(number)) },
    json: { type: 'boolean', default: false },
    markdown: { type: 'boolean', default: false },
    charts: { type: 'boolean', default: false },
    server: { type: 'string', default: 'dist/cli.js' },
  },
});
const seconds = Number(options.seconds);
const rounds = Number(options.rounds);
const cases = CASES.filter(({ number }) => options.case.includes(String(number)));
if (options.charts && cases.length < CASES.length) throw new Error('--charts needs all cases.');

progress('proving that the load counts');
const stage = await openFanoutStage(options.server);
const results: Result[] = [];
try {
  await checkCounting(stage);
  for (const { number, name, shows, measure } of cases) {
    const outcome = await measure(stage, {
      seconds,
      rounds,
      progress: (text) => progress(`case ${number}: ${text}`),
    });
    results.push({ number, name, shows, ...outcome });
  }
} finally {
  await stage.close();
}
progress('');
await report();

async function report(): Promise<void> {
  const machine = describeMachine(cpus());
  if (options.charts) await writeCharts('docs/images', results);
  if (options.json) return printJson({ machine, rounds, seconds }, results);
  if (options.markdown) return printMarkdown(results);
  const deliveries = results
    .flatMap(({ figures }) => figures)
    .reduce((sum, figure) => sum + figure.deliveries, 0);
  console.log(`${machine}; medians of ${rounds} rounds of ${seconds} s`);
  console.log(
    `${deliveries.toLocaleString('en')} deliveries counted, none missing, doubled or out of place\n`,
  );
  printResults(results);
}

function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  else if (text !== '') process.stderr.write(`${text}\n`);
}
