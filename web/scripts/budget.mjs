// Fails when what a browser loads before the first page is over the budget.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const budget = 450 * 1024
const html = readFileSync('dist/index.html', 'utf8')
const files = [...html.matchAll(/(?:src|href)="(\/assets\/[^"]+\.js)"/g)].map((m) => m[1])
if (files.length === 0) throw new Error('index.html names no script')
const size = files.reduce((sum, file) => sum + gzipSync(readFileSync(`dist${file}`)).length, 0)
console.log(`initial JavaScript: ${Math.round(size / 1024)} KiB gzip in ${files.length} files, of ${budget / 1024} allowed`)
if (size > budget) process.exit(1)
