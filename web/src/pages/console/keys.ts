// The keys that type a text, by X11's numbers: Latin-1 is itself, the rest of
// Unicode is above 0x01000000.
export function keysOf(text: string): number[] {
  return [...text.replace(/\r\n?/g, '\n')].flatMap((letter) => {
    const code = letter.codePointAt(0) ?? 0
    if (letter === '\n') return 0xff0d
    if (letter === '\t') return 0xff09
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return []
    return code < 0x100 ? code : 0x01000000 + code
  })
}
