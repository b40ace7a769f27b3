// What opens at a button, by mouse or by key: a menu, or a panel with more in
// it. Afterwards the focus is at the button again.
import { Dropdown, type MenuProps, Popover } from 'antd'
import { type ReactElement, type ReactNode, type Ref, type RefObject, useEffect, useRef, useState } from 'react'
import { lost, useFocusBack } from './focus'

interface MenuAt {
  items: MenuProps['items']
  selected?: string[]
  choose: (key: string) => void
  /** The child's. */
  at: RefObject<HTMLElement | null>
  children: ReactElement
}

/** The first item of the menu that is open. */
const first = '.ant-dropdown:not(.ant-dropdown-hidden) [role=menuitem]:not([aria-disabled=true])'

export function DropMenu({ items, selected, choose, at, children }: MenuAt) {
  const open = useRef(false)
  const keys = items?.map((item) => item?.key).join()
  // What the thing's state has become may take away the item that has the focus: the menu keeps it.
  // biome-ignore lint/correctness/useExhaustiveDependencies: other items are what this waits for
  useEffect(() => {
    if (open.current && lost()) document.querySelector<HTMLElement>(first)?.focus()
  }, [keys])
  return (
    <Dropdown
      trigger={['click']}
      autoFocus
      onOpenChange={(now) => {
        open.current = now
        if (!now && (lost() || document.activeElement?.closest('.ant-dropdown'))) at.current?.focus()
      }}
      menu={{
        items,
        selectedKeys: selected,
        onClick: ({ key, domEvent }) => {
          // The button must not take the key that chose for its own; what opens now gives the focus back to it.
          domEvent.preventDefault()
          at.current?.focus()
          choose(key)
        },
      }}
    >
      {children}
    </Dropdown>
  )
}

interface PanelAt {
  label: string
  content: (close: () => void) => ReactNode
  children: ReactElement
}

export function DropPanel({ label, content, children }: PanelAt) {
  const [open, setOpen] = useState(false)
  const place = useRef<HTMLDivElement>(null)
  const close = () => setOpen(false)
  return (
    <Popover
      open={open}
      onOpenChange={setOpen}
      afterOpenChange={(now) => {
        // Not from what somebody who is quick has gone to by then.
        if (now && !place.current?.contains(document.activeElement)) place.current?.focus({ preventScroll: true })
      }}
      trigger="click"
      arrow={false}
      destroyOnHidden
      content={
        <Panel label={label} place={place} close={close}>
          {content(close)}
        </Panel>
      }
    >
      {children}
    </Popover>
  )
}

function Panel({ label, place, close, children }: { label: string; place: Ref<HTMLDivElement>; close: () => void; children: ReactNode }) {
  useFocusBack()
  return (
    <div ref={place} role="dialog" aria-label={label} tabIndex={-1} onKeyDown={(e) => e.key === 'Escape' && close()}>
      {children}
    </div>
  )
}
