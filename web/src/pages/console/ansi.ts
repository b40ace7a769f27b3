// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const escapes = /\u001b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\u0007]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
const controls = /[\u0000-\u0008\u000b-\u001f\u007f]/g

/** A terminal's text without what moves and colours it. */
export function plainText(text: string): string {
  return text.replace(escapes, '').replace(/\r+\n/g, '\n').replace(controls, '')
}
