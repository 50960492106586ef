/** Shows how far a step is: one line that is written over on a terminal, a line every few seconds elsewhere. */
export class Progress {
  readonly #title: string;
  readonly #startedAt = performance.now();
  #shownAt = 0;

  constructor(title: string) {
    this.#title = title;
  }

  /** Seconds since the step began. */
  get seconds(): number {
    return (performance.now() - this.#startedAt) / 1_000;
  }

  show(text: string): void {
    const everyMs = process.stdout.isTTY ? 100 : 2_000;
    if (performance.now() - this.#shownAt < everyMs) return;
    this.#shownAt = performance.now();
    if (process.stdout.isTTY) process.stdout.write(`\r\u001B[K${this.#title}: ${text}`);
    else console.log(`  ${this.#title}: ${text}`);
  }

  end(text: string): void {
    if (process.stdout.isTTY) process.stdout.write("\r\u001B[K");
    console.log(`${this.#title}: ${text} (${this.seconds.toFixed(1)} s)`);
  }
}

export interface ReportRow {
  readonly step: string;
  readonly files: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Objects that the step copied server-side; absent where it copies none. */
  readonly copied?: number;
}

/** Lays the steps out as a table of text. */
export function formatReport(rows: readonly ReportRow[]): string {
  const cells = [
    ["step", "files", "bytes", "seconds", "objects copied"],
    ...rows.map(({ step, files, bytes, seconds, copied }) => [
      step,
      files.toLocaleString("en"),
      bytes.toLocaleString("en"),
      seconds.toFixed(1),
      copied?.toLocaleString("en") ?? "",
    ]),
  ];
  const widths = cells[0]?.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0))) ?? [];
  return cells
    .map((row) =>
      row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  "),
    )
    .join("\n");
}
