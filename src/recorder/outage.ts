/**
 * Reports the first failure of many that have one cause, until something succeeds again: a server that is away for
 * an hour is told of once, not for each call.
 */
import type { Report } from './sink.ts';

export class Outage {
  private readonly report: Report;
  private isReported = false;

  constructor(report: Report) {
    this.report = report;
  }

  failed(error: unknown): void {
    if (this.isReported) return;
    this.isReported = true;
    this.report(error);
  }

  over(): void {
    this.isReported = false;
  }
}
