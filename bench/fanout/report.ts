/** What was measured, as people, documents and programs read it. */
import { writeFile } from 'node:fs/promises';
import { type BarGroup, barChart } from '../support/chart.ts';
import { printTable } from '../support/report.ts';
import { type Case, type Finding, isMet, type Outcome } from './cases.ts';
import { EVENTREE } from './contender.ts';
import type { Figure } from './race.ts';

export type Result = Outcome & Pick<Case, 'number' | 'name' | 'shows'>;

const HEADINGS = ['case', '', 'measured', 'which is', 'aim', 'servers’ CPU', 'load’s CPU'];

export function printResults(results: readonly Result[]): void {
  printTable(HEADINGS, results.flatMap(rowsOf));
}

export function printMarkdown(results: readonly Result[]): void {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  console.log(line(HEADINGS));
  console.log(line(HEADINGS.map((_, column) => (column < 5 ? '---' : '---:'))));
  for (const row of results.flatMap(rowsOf)) console.log(line(row));
}

export function printJson(about: object, results: readonly Result[]): void {
  const cases = results.map(({ number, name, figures, findings }) => ({
    number,
    name,
    figures,
    findings: findings.map((finding) => ({ ...finding, met: isMet(finding) })),
  }));
  console.log(JSON.stringify({ ...about, cases }, null, 2));
}

/** @param folder where the pictures of docs/performance.md are. */
export async function writeCharts(folder: string, results: readonly Result[]): Promise<void> {
  const chart = (file: string, title: string, description: string, shows: Case['shows']) =>
    writeFile(
      `${folder}/${file}`,
      barChart({
        title,
        description: `${description} Each group of bars has a scale of its own.`,
        groups: results.filter((result) => result.shows === shows).map(groupOf),
      }),
    );
  await chart('fanout-speed.svg', 'Deliveries per second', 'Longer is better.', 'speed');
  await chart(
    'fanout-latency.svg',
    'From recording to arrival, median',
    'In milliseconds. Shorter is better.',
    'latency',
  );
}

function groupOf({ name, shows, figures }: Result): BarGroup {
  return {
    label: name,
    bars: figures.map((figure) => ({
      label: figure.contender,
      value: shows === 'speed' ? figure.deliveriesPerSecond : (figure.p50Ms ?? 0),
      text: measuredIn(figure),
      // Where Eventree is beside others it stands out; where it is alone there is nothing to stand out from.
      strong: figure.contender === EVENTREE || figures.every(({ contender }) => contender !== EVENTREE),
    })),
  };
}

/** A row for each contender; the case is named in the first. */
function rowsOf({ name, figures, findings }: Result): string[][] {
  const contenders = figures.length > 0 ? figures.map(({ contender }) => contender) : [EVENTREE];
  return contenders.map((contender, nth) => {
    const figure = figures.find((each) => each.contender === contender);
    const its = findings.filter(({ of }) => of === contender);
    return [
      nth === 0 ? name : '',
      contender,
      figure === undefined ? '' : measuredIn(figure),
      its.map(({ value, unit }) => `${digits(value)} ${unit}`).join(', '),
      its.flatMap(aimOf).join(', '),
      figure?.serverCpu.toFixed(2) ?? '',
      figure?.loadCpu.toFixed(2) ?? '',
    ];
  });
}

function measuredIn({ deliveriesPerSecond, p50Ms, p99Ms }: Figure): string {
  if (p50Ms === null || p99Ms === null) return `${Math.round(deliveriesPerSecond).toLocaleString('en')}/s`;
  return `p50 ${digits(p50Ms)} ms, p99 ${digits(p99Ms)} ms`;
}

function aimOf(finding: Finding): string[] {
  if (finding.aim === null) return [];
  const { bound, value } = finding.aim;
  return [`${bound === 'least' ? '≥' : '≤'} ${value}${isMet(finding) ? '' : ' (missed)'}`];
}

/** As many as are worth reading. */
function digits(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}
