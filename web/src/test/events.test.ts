import { QueryClient, QueryObserver } from '@tanstack/react-query'
import { describe, expect, it } from 'vitest'
import { readAgain } from '../kit/events'

/** A page that is being read, and what lets each of its reads end. */
function reading() {
  const client = new QueryClient({ defaultOptions: { queries: { networkMode: 'always' } } })
  const answers: ((value: string) => void)[] = []
  const observer = new QueryObserver(client, {
    queryKey: ['page', 'server', { id: '1' }],
    queryFn: () => new Promise<string>((done) => answers.push(done)),
  })
  const shown = (value: string) =>
    new Promise<void>((done) => {
      const stop = observer.subscribe(({ data }) => {
        if (data !== value) return
        stop()
        done()
      })
    })
  const stop = observer.subscribe(() => undefined)
  return { client, answers, shown, stop }
}

describe('what changes', () => {
  it('while a page is read for the first time is read after that', async () => {
    const { client, answers, shown, stop } = reading()
    const again = readAgain(client, 'server')
    expect(answers.length).toBe(1)
    const building = shown('BUILD')
    answers[0]('BUILD')
    await building
    await again
    expect(answers.length).toBe(2)
    const active = shown('ACTIVE')
    answers[1]('ACTIVE')
    await active
    stop()
  })

  it('when a page is shown is read once', async () => {
    const { client, answers, shown, stop } = reading()
    const building = shown('BUILD')
    answers[0]('BUILD')
    await building
    const again = readAgain(client, 'server')
    const active = shown('ACTIVE')
    answers[1]('ACTIVE')
    await active
    await again
    expect(answers.length).toBe(2)
    stop()
  })
})
