import { afterEach, describe, expect, it } from 'vitest'
import { plainText } from '../pages/console/ansi'
import { findAbove } from '../pages/console/find'
import { keysOf } from '../pages/console/keys'
import { closeConsole, openConsole, socketPath, useConsoles } from '../pages/console/open'

describe('console', () => {
  afterEach(() => closeConsole())

  it('finds a text upwards, and from the end again', () => {
    const lines = ['Boot 1', 'login:', 'boot 2 boot', 'login:']
    const find = (text: string, from: number) => findAbove(lines.length, (row) => lines[row], text, from)
    expect(find('boot', 4)).toEqual({ row: 2, column: 7 })
    expect(find('boot', 2)).toEqual({ row: 0, column: 0 })
    expect(find('boot', 0)).toEqual({ row: 2, column: 7 })
    expect(find('panic', 4)).toBeUndefined()
    expect(findAbove(0, () => '', 'x', 0)).toBeUndefined()
  })
  it('types a text by keys', () => {
    expect(keysOf('aÄ1\r\n\t')).toEqual([0x61, 0xc4, 0x31, 0xff0d, 0xff09])
    expect(keysOf('云\u0007😀')).toEqual([0x01004e91, 0x0101f600])
    expect(keysOf('')).toEqual([])
  })

  it('shows a log without colours', () => {
    expect(plainText('\u001b[0;32mOK\u001b[0m\r\nlogin: \u001b]0;title\u0007x\u0008')).toBe('OK\nlogin: x')
    expect(plainText('a\tb\u001b(Bc\u001b[?25l')).toBe('a\tbc')
  })

  it('has an address on this site', () => {
    expect(socketPath({ key: 'k', server: 'id', name: 'n', kind: 'vnc' })).toBe('/dashboard/console/id/vnc')
  })

  it('opens each console once', () => {
    expect(typeof useConsoles).toBe('function')
    openConsole('s', 'web', 'vnc')
    openConsole('s', 'web', 'vnc')
    openConsole('s', 'web', 'serial')
    closeConsole('serial/s')
  })
})
