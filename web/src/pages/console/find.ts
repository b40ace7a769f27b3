// Search in what a terminal has printed.

/** Where the nearest line above one is that has a text, in either case; from the end again after the first line. */
export function findAbove(
  lines: number,
  line: (row: number) => string,
  wanted: string,
  from: number,
): { row: number; column: number } | undefined {
  const text = wanted.toLowerCase()
  for (let n = 1; n <= lines; n++) {
    const row = (((from - n) % lines) + lines) % lines
    const column = line(row).toLowerCase().lastIndexOf(text)
    if (column >= 0) return { row, column }
  }
  return undefined
}
