/** An event on one line, for a person. */
import type { LineNode, Severity } from '../client/event.ts';
import { type Colors, plainText } from './terminal.ts';

/** `2026-11-20 23:18:04  HIGH      deployment.failed  deployment/847  user/jane  The disk is full` */
export function eventLine(event: LineNode, colors: Colors): string {
  const { occurredAt, severity, type, resource, actor, message } = event;
  return [
    colors.dim(localTime(new Date(occurredAt))),
    colorOf(severity, colors)(severity.padEnd(8)),
    colors.bold(plainText(type.name)),
    resource === null ? '-' : colors.cyan(plainText(resource.ref)),
    actor === null ? '-' : colors.magenta(plainText(actor)),
    plainText(message),
  ].join('  ');
}

function colorOf(severity: Severity, colors: Colors): (text: string) => string {
  switch (severity) {
    case 'LOW':
      return colors.dim;
    case 'MEDIUM':
      return colors.blue;
    case 'HIGH':
      return colors.yellow;
    case 'CRITICAL':
      return (text) => colors.bold(colors.red(text));
  }
}

/** By this machine's clock and zone, to the second. */
function localTime(time: Date): string {
  const two = (part: number) => String(part).padStart(2, '0');
  const day = [time.getFullYear(), two(time.getMonth() + 1), two(time.getDate())].join('-');
  return `${day} ${[time.getHours(), time.getMinutes(), time.getSeconds()].map(two).join(':')}`;
}
