/**
 * Bars as an SVG file that stands by itself: in a light and in a dark page, for a screen reader, and in a
 * diff, where the same figures are the same bytes.
 */
export interface BarChart {
  readonly title: string;
  /** For who cannot see the bars; their labels and values follow it. */
  readonly description: string;
  readonly groups: readonly BarGroup[];
}

export interface BarGroup {
  readonly label: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The value as it is to be read. */
  readonly text: string;
  readonly strong: boolean;
}

const WIDTH = 760;
const BAR_LEFT = 130;
const LONGEST_BAR = 400;
const BAR_HEIGHT = 18;
const BAR_STEP = 24;
const GROUP_HEAD = 26;
const GROUP_GAP = 18;
const TOP = 44;

const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .group { font-weight: 600 }
  .strong { fill: #1a6fd4 }
  .plain { fill: #8b949e }
  @media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .strong { fill: #58a6ff } .plain { fill: #6e7681 } }
`;

/** The longest bar of each group is as long as that of any other. */
export function barChart({ title, description, groups }: BarChart): string {
  const parts: string[] = [];
  let y = TOP;
  for (const { label, bars } of groups) {
    parts.push(text('group', 0, y + 14, label));
    y += GROUP_HEAD;
    const most = Math.max(...bars.map(({ value }) => value));
    for (const bar of bars) {
      const length = Math.max(1, Math.round((bar.value / most) * LONGEST_BAR));
      const tone = bar.strong ? 'strong' : 'plain';
      parts.push(text('label', 0, y + 14, bar.label));
      parts.push(
        `<rect class="${tone}" x="${BAR_LEFT}" y="${y}" width="${length}" height="${BAR_HEIGHT}" rx="2"/>`,
      );
      parts.push(text('value', BAR_LEFT + length + 8, y + 14, bar.text));
      y += BAR_STEP;
    }
    y += GROUP_GAP;
  }
  const said = groups.map(
    ({ label, bars }) => `${label}: ${bars.map((bar) => `${bar.label} ${bar.text}`).join('; ')}.`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-labelledby="title description">
<title id="title">${escaped(title)}</title>
<desc id="description">${escaped([description, ...said].join(' '))}</desc>
<style>${STYLE}</style>
${text('title', 0, 20, title)}
${parts.join('\n')}
</svg>
`;
}

function text(kind: string, x: number, y: number, content: string): string {
  return `<text class="${kind}" x="${x}" y="${y}">${escaped(content)}</text>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
