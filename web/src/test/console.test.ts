import { afterEach, describe, expect, it } from 'vitest'
import { plainText } from '../pages/console/ansi'
import { keysOf } from '../pages/console/keys'
import { closeConsole, openConsole, socketPath, useConsoles } from '../pages/console/open'

describe('console', () => {
  afterEach(() => closeConsole())

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
