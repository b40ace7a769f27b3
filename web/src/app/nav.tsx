// The menu at the side: all of it where there is room, in a drawer on a phone.
import { AppstoreOutlined, CloudServerOutlined, IdcardOutlined, NodeIndexOutlined } from '@ant-design/icons'
import { Link } from '@tanstack/react-router'
import { Menu, type MenuProps } from 'antd'
import { type ReactNode, type TransitionEvent, useEffect, useRef, useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { Item, Section } from './menu'

const icons: Record<string, ReactNode> = {
  project: <AppstoreOutlined aria-hidden />,
  admin: <CloudServerOutlined aria-hidden />,
  identity: <IdcardOutlined aria-hidden />,
  broker: <NodeIndexOutlined aria-hidden />,
}

type MenuItems = NonNullable<MenuProps['items']>

interface Props {
  sections: Section[]
  services: string[]
  /** The section and the item of the page that is shown. */
  section?: Section
  item?: Item
  /** Called when a page was gone to. */
  gone?: () => void
}

export function Nav({ sections, services, section, item, gone }: Props) {
  const { t } = useTranslation()
  const place = useRef<HTMLElement>(null)
  const [open, setOpen] = useState<string[]>(section ? [section.key] : [])
  const [there, setThere] = useState(section?.key)
  // Whoever comes to a page of another section finds it in the menu.
  if (section && section.key !== there) {
    setThere(section.key)
    if (!open.includes(section.key)) setOpen([...open, section.key])
  }
  // What is to be seen of the menu, once it has unfolded: the item of the page, the section just opened.
  const wanted = useRef<string>(undefined)
  const at = item?.to
  const unfolded = open.join()
  useEffect(() => {
    if (at) wanted.current = '.ant-menu-item-selected'
  }, [at])
  // biome-ignore lint/correctness/useExhaustiveDependencies: where the item is depends on what is open
  useEffect(() => {
    const frame = requestAnimationFrame(() => bring(place.current, wanted.current))
    return () => cancelAnimationFrame(frame)
  }, [at, unfolded])
  const settled = (e: TransitionEvent) => {
    if (e.propertyName !== 'height') return
    bring(place.current, wanted.current)
    wanted.current = undefined
  }
  const link = (i: Item) => ({
    key: i.to,
    label: (
      <Link to={i.to} onClick={gone}>
        {t(`menu.${i.key}`)}
      </Link>
    ),
  })
  return (
    <nav aria-label={t('shell.menu')} className="nav" ref={place} onTransitionEnd={settled}>
      <Menu
        mode="inline"
        inlineIndent={12}
        selectedKeys={item ? [item.to] : []}
        openKeys={open}
        onOpenChange={(keys) => {
          const opened = keys.find((key) => !open.includes(key))
          wanted.current = opened && `li[data-section="${opened}"]`
          setOpen(keys)
        }}
        items={sections.map((s) => ({
          key: s.key,
          icon: icons[s.key],
          label: t(`menu.${s.key}`),
          'data-section': s.key,
          children: grouped(s.items.filter((i) => !i.service || services.includes(i.service))).flatMap(
            ([group, items]): MenuItems =>
              group === undefined
                ? items.map(link)
                : [{ type: 'group', key: `${s.key}-${group}`, label: t(`menuGroups.${group}`), children: items.map(link) }],
          ),
        }))}
      />
    </nav>
  )
}

/** Scrolls a part of the menu that is out of view to its middle. */
function bring(menu: HTMLElement | null, selector?: string) {
  const part = selector ? menu?.querySelector(selector) : undefined
  if (!part || !menu) return
  const [inner, outer] = [part.getBoundingClientRect(), menu.getBoundingClientRect()]
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return
  part.scrollIntoView({ block: inner.height < outer.height ? 'center' : 'start' })
}

/** Items by the heading they stand under, in the order of the menu. */
function grouped(items: Item[]): [group: string | undefined, items: Item[]][] {
  const out = new Map<string | undefined, Item[]>()
  for (const i of items) out.set(i.group, [...(out.get(i.group) ?? []), i])
  return [...out]
}
