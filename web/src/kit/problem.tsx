// What went wrong with a page, or with parts of it.
import { Alert, Button, Typography } from 'antd'
import { useTranslation } from 'react-i18next'
import type { ApiError, PageData } from './api'
import { RequestId } from './requestid'

/** Why a page has nothing to show. */
export function Problem({ error, retry }: { error: ApiError; retry?: () => void }) {
  const { t } = useTranslation()
  return (
    <Alert
      type={error.code === 403 || error.code === 404 ? 'warning' : 'error'}
      showIcon
      role="alert"
      title={
        error.code === 403
          ? t('errors.forbidden')
          : error.code === 404
            ? t('errors.notFound')
            : error.code === 0
              ? t('errors.offline')
              : t('errors.failed')
      }
      description={
        <>
          <Typography.Text copyable={{ text: `${error.code} ${error.message} ${error.requestId ?? ''}` }}>{error.message}</Typography.Text>{' '}
          {error.requestId ? <RequestId id={error.requestId} /> : null}
        </>
      }
      action={
        error.code === 403 || error.code === 404 ? (
          <Button href="/overview">{t('menu.overview')}</Button>
        ) : retry ? (
          <Button onClick={retry}>{t('common.retry')}</Button>
        ) : undefined
      }
    />
  )
}

/** Which parts of a page are missing, and why. */
export function Missing({ errors }: { errors: PageData['errors'] }) {
  const { t } = useTranslation()
  const parts = Object.entries(errors ?? {})
  if (parts.length === 0) return null
  return (
    <Alert
      type="warning"
      showIcon
      title={t('errors.parts')}
      description={parts.map(([part, e]) => (
        <div key={part}>
          {part}: {e.message}
        </div>
      ))}
    />
  )
}
