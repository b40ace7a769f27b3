import dayjs from 'dayjs'
import i18next from 'i18next'

/** A time as the language writes it. */
export function time(value?: string | null): string {
  if (!value) return '–'
  const d = dayjs(/[zZ]|[+-]\d\d:\d\d$/.test(value) ? value : `${value}Z`)
  return new Intl.DateTimeFormat(i18next.language, { dateStyle: 'medium', timeStyle: 'medium' }).format(d.toDate())
}

/** How long ago something was, coarsely. */
export function ago(value: string | null | undefined, now = Date.now()): string {
  if (!value) return '–'
  const d = dayjs(/[zZ]|[+-]\d\d:\d\d$/.test(value) ? value : `${value}Z`)
  const seconds = Math.round((d.valueOf() - now) / 1000)
  const rtf = new Intl.RelativeTimeFormat(i18next.language, { numeric: 'auto' })
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ]
  for (const [unit, size] of steps) if (Math.abs(seconds) >= size) return rtf.format(Math.round(seconds / size), unit)
  return rtf.format(seconds, 'second')
}

/** Bytes in binary units. */
export function bytes(n?: number | null): string {
  if (n === undefined || n === null) return '–'
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB']
  let i = 0
  let v = n
  while (v >= 1024 && i < units.length - 1) {
    v /= 1024
    i++
  }
  return `${new Intl.NumberFormat(i18next.language, { maximumFractionDigits: 1 }).format(v)} ${units[i]}`
}

/** The addresses of a server, the floating ones apart. */
export function addresses(server: { addresses?: Record<string, { addr: string; 'OS-EXT-IPS:type': string }[]> }) {
  const all = Object.values(server.addresses ?? {}).flat()
  return {
    fixed: all.filter((a) => a['OS-EXT-IPS:type'] !== 'floating').map((a) => a.addr),
    floating: all.filter((a) => a['OS-EXT-IPS:type'] === 'floating').map((a) => a.addr),
  }
}

/** How long something takes or is up, coarsely. */
export function duration(milliseconds?: number | null): string {
  if (milliseconds === undefined || milliseconds === null) return '–'
  const steps: [unit: string, size: number][] = [
    ['day', 86_400_000],
    ['hour', 3_600_000],
    ['minute', 60_000],
    ['second', 1000],
  ]
  const [unit, size] = steps.find(([, s]) => milliseconds >= s) ?? steps[3]
  return new Intl.NumberFormat(i18next.language, { style: 'unit', unit, unitDisplay: 'long' }).format(Math.floor(milliseconds / size))
}
