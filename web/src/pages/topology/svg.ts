// The topology as a picture of its own: what is on the screen is HTML, so it
// is drawn again from the same layout.
import { addresses } from '../../kit/format'
import { type Box, hues, type Layout, path } from './layout'

export interface Ink {
  background: string
  text: string
  faint: string
  line: string
}

const entities = (s: string) => s.replace(/[<>&"]/g, (c) => `&#${c.charCodeAt(0)};`)

const cut = (s: string, width: number, size: number) => {
  const most = Math.floor(width / (size * 0.6))
  return s.length > most ? `${s.slice(0, most - 1)}…` : s
}

/** The lines of text in a box, the first its name. */
export function words(box: Box, cidrs: string[], status: (s: string) => string): string[] {
  const name = box.row.name || box.row.hypervisor_hostname || box.row.id
  if (box.kind === 'network') return [[name, ...cidrs].join('   ')]
  if (box.kind === 'router') return [name, status(box.row.status)]
  if (box.kind === 'server') {
    const a = addresses(box.row)
    return [`${name} · ${status(box.row.status)}`, a.fixed.join(', '), a.floating.join(', ')].filter(Boolean)
  }
  return [name]
}

export function svg(l: Layout, ink: Ink, text: (box: Box) => string[]): string {
  const pad = 24
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-pad} ${-pad} ${l.width + 2 * pad} ${l.height + 2 * pad}" width="${l.width + 2 * pad}" height="${l.height + 2 * pad}" font-family="system-ui, sans-serif">`,
    `<rect x="${-pad}" y="${-pad}" width="100%" height="100%" fill="${ink.background}"/>`,
  ]
  for (const w of l.wires) out.push(`<path d="${path(w)}" fill="none" stroke="${hues[w.hue]}" stroke-width="2"/>`)
  // A host's frame is under its servers.
  for (const b of [...l.boxes].sort((x, y) => Number(y.kind === 'host') - Number(x.kind === 'host'))) {
    const bus = b.kind === 'network'
    const colour = bus ? hues[b.hue] : ink.line
    if (b.kind !== 'loose') {
      if (b.kind !== 'host')
        out.push(`<rect x="${b.x}" y="${b.y}" width="${b.width}" height="${b.height}" rx="6" fill="${ink.background}"/>`)
      out.push(
        `<rect x="${b.x}" y="${b.y}" width="${b.width}" height="${b.height}" rx="6" fill="${bus ? colour : 'none'}" fill-opacity="0.18" stroke="${colour}"/>`,
      )
    }
    text(b).forEach((line, i) => {
      const size = i === 0 ? 14 : 12
      const y = b.y + (bus || b.kind === 'host' || b.kind === 'loose' ? 25 : 20 + i * 18)
      out.push(
        `<text x="${b.x + 10}" y="${y}" font-size="${size}" fill="${i === 0 ? ink.text : ink.faint}">${entities(cut(line, b.width - 16, size))}</text>`,
      )
    })
  }
  out.push('</svg>')
  return out.join('\n')
}

/** A picture's pixels, twice as many as it has points. */
export async function png(text: string): Promise<Blob> {
  const url = URL.createObjectURL(new Blob([text], { type: 'image/svg+xml' }))
  try {
    const image = new Image()
    image.src = url
    await image.decode()
    const canvas = document.createElement('canvas')
    // No browser has a canvas with longer sides than this.
    const scale = Math.min(2, 16_000 / Math.max(image.width, image.height))
    canvas.width = image.width * scale
    canvas.height = image.height * scale
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height)
    return await new Promise((resolve, reject) => canvas.toBlob((b) => (b ? resolve(b) : reject(new Error('no picture'))), 'image/png'))
  } finally {
    URL.revokeObjectURL(url)
  }
}
