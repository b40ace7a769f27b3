// Files that the browser keeps.

/** Gives the browser a file to keep. */
export function download(name: string, content: BlobPart) {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}

/** A table as CSV; what a spreadsheet would run is kept text. */
export function csv(rows: (string | number)[][]): string {
  const cell = (v: string | number) => {
    const text = typeof v === 'string' && /^[=+\-@\t]/.test(v) ? `'${v}` : String(v)
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
  }
  return `${rows.map((r) => r.map(cell).join(',')).join('\r\n')}\r\n`
}
