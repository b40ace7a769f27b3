// Where the focus is when what had it is gone: nobody who works by keyboard
// shall have to begin at the top of the page.
import { type RefObject, useEffect, useLayoutEffect, useRef } from 'react'

/** Gives the focus to a thing if it is still there, and to the page if it is not. */
export function focusOn(thing: Element | null | undefined) {
  const at = thing?.isConnected ? thing : document.getElementById('main')
  if (at instanceof HTMLElement) at.focus({ preventScroll: at.id === 'main' })
}

/** Whether nothing has the focus. */
export const lost = () => !document.activeElement || document.activeElement === document.body

/** The control of a form's first field, of whichever type that is. */
const first = '.ant-form-item :is(input:not([type=file]), textarea, button):not(:disabled)'

/** A drawer with a form, whose first field gets the focus once it is open. */
export function useFocusFirst() {
  const panelRef = useRef<HTMLDivElement>(null)
  const afterOpenChange = (open: boolean) => {
    // Not from a field that somebody who is quick has gone to by then.
    if (open && !document.activeElement?.closest('.ant-form-item')) panelRef.current?.querySelector<HTMLElement>(first)?.focus()
  }
  return { panelRef, afterOpenChange }
}

/** Gives the focus back to what had it when this came, once this is gone. */
export function useFocusBack() {
  const before = useRef(document.activeElement)
  useEffect(() => {
    const last = before.current
    return () => {
      setTimeout(() => lost() && focusOn(last))
    }
  }, [])
}

/**
 * Hands the focus on to the next row when the row of this button goes away.
 * What it returns is to be called when a question about the row is closed.
 */
export function useFocusNext(button: RefObject<HTMLElement | null>) {
  const next = useRef<Element>(undefined)
  // Later: what is being closed has the focus still.
  const settle = useRef(() => {
    setTimeout(() => lost() && focusOn(button.current ?? next.current))
  })
  useLayoutEffect(() => {
    const own = button.current
    return () => {
      const row = own?.closest('tr')
      const beside = [row?.nextElementSibling, row?.previousElementSibling]
      next.current = beside.flatMap((r) => r?.querySelector('[data-actions]') ?? [])[0]
      if (document.activeElement === own) settle.current()
    }
  }, [button])
  return settle.current
}

/** Gives the focus to the page when what a selector tells goes away with it. */
export function useFocusLeft(selector: string) {
  useLayoutEffect(
    () => () => {
      if (document.activeElement?.matches(selector)) setTimeout(() => lost() && focusOn(undefined))
    },
    [selector],
  )
}
