import type { TFunction } from 'i18next'

export interface Verdict {
  allowed: boolean
  /** Missing while the answer is awaited. */
  reason?: string
}

/** Why something may not be done; nothing if it may. */
export function reason({ allowed, reason: said }: Verdict, t: TFunction): string | undefined {
  if (allowed) return undefined
  return said ? t('why.policy', { reason: said }) : t('why.asking')
}
