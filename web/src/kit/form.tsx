// A form is a list of fields and the call its values make.
import { Alert, Button, Drawer, Flex, Form, type FormInstance, Input, InputNumber, Select, Switch, Tabs, Tooltip, Upload } from 'antd'
import i18next from 'i18next'
import { type KeyboardEvent, type MouseEvent, useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { ApiError, type Call, type PageData, type Row, useCan } from './api'
import { useBegun, useDraft } from './draft'
import { useFocusBack, useFocusFirst } from './focus'
import { reason } from './reason'
import { fieldOf } from './refusal'
import { ShowApi } from './showapi'
import { run } from './tasks'

export interface Field {
  name: string
  /** The key of the label below "fields."; the name if missing. */
  label?: string
  type?: 'text' | 'password' | 'number' | 'select' | 'multi' | 'switch' | 'area' | 'file' | 'tags'
  required?: boolean
  /** A title is another name of the option: it is shown when that is pointed at, and finds it. */
  options?: { value: string; label: string; title?: string }[]
  initial?: unknown
  min?: number
  max?: number
  /** The key of a line of help below "help.". */
  help?: string
  pattern?: RegExp
  /** Whether the field is shown for these values. */
  when?: (values: Row) => boolean
}

export interface FormSpec<R = Row> {
  /** The key of the title below "actions.". */
  title: string
  /** data is that of the page; row what the form is about, if it is. */
  fields: (data: Row, row?: R) => Field[]
  calls: (values: Row, row: R, data: Row) => Call | Call[]
  /** What is done with the answer. */
  done?: (answer: Row, values: Row) => void
  width?: number
}

/** Things as the options of a select, by their names. */
export function options(rows: Row[] | undefined): { value: string; label: string }[] {
  return (rows ?? []).map((r) => ({ value: r.id, label: r.name || r.id }))
}

/** Tab leaves a list of which several may be chosen; by itself it would choose, or take away, the marked one. */
function tabLeaves(e: KeyboardEvent) {
  if (e.key === 'Tab') e.stopPropagation()
}

/** Opens the browser's list of files: the button does, so that it does by any key, and keeps the focus. */
function choose(e: MouseEvent<HTMLElement>) {
  e.currentTarget.parentElement?.querySelector('input')?.click()
}

function input(field: Field) {
  switch (field.type) {
    case 'password':
      return <Input.Password autoComplete="new-password" />
    case 'number':
      return <InputNumber min={field.min} max={field.max} style={{ width: '100%' }} />
    case 'select':
    case 'multi':
      return (
        <Select
          mode={field.type === 'multi' ? 'multiple' : undefined}
          options={field.options}
          showSearch={{ optionFilterProp: ['label', 'title'] }}
          allowClear={!field.required && field.type === 'select'}
          onInputKeyDown={field.type === 'multi' ? tabLeaves : undefined}
          data-field={field.name}
        />
      )
    case 'tags':
      return <Select mode="tags" tokenSeparators={[',', ' ']} open={false} suffixIcon={null} />
    case 'switch':
      return <Switch />
    case 'area':
      return <Input.TextArea rows={4} />
    case 'file':
      return (
        <Upload beforeUpload={() => false} maxCount={1} hasControlInside openFileDialogOnClick={false}>
          <Button onClick={choose}>{i18next.t('form.choose')}</Button>
        </Upload>
      )
    default:
      return <Input autoComplete="off" />
  }
}

/** The inputs of some fields. */
export function Fields({ fields, values }: { fields: Field[]; values: Row }) {
  const { t } = useTranslation()
  return fields
    .filter((f) => !f.when || f.when(values))
    .map((f) => (
      <Form.Item
        key={f.name}
        name={f.name}
        label={t(`fields.${f.label ?? f.name}`)}
        tooltip={f.help ? t(`help.${f.help}`) : undefined}
        valuePropName={f.type === 'switch' ? 'checked' : f.type === 'file' ? 'fileList' : 'value'}
        getValueFromEvent={f.type === 'file' ? (e: { fileList: unknown[] }) => e.fileList : undefined}
        rules={[
          { required: f.required, message: t('form.required') },
          ...(f.pattern ? [{ pattern: f.pattern, message: t('form.pattern') }] : []),
        ]}
      >
        {input(f)}
      </Form.Item>
    ))
}

/** What a form starts with. */
export function initial(fields: Field[]): Row {
  return Object.fromEntries(fields.filter((f) => f.initial !== undefined).map((f) => [f.name, f.initial]))
}

/** What is filled in, and in place of what is still wanted its name: NAME. */
function sofar(fields: Field[], values: Row): Row {
  const wanted = fields.filter((f) => f.required && values[f.name] === undefined && f.type !== 'number' && f.type !== 'multi')
  return { ...values, ...Object.fromEntries(wanted.map((f) => [f.name, f.name.toUpperCase()])) }
}

interface Props {
  spec: FormSpec
  data: Row
  row?: Row
  onClose: () => void
}

/** A form in a drawer, with the same thing as a command beside it. */
export function FormDrawer({ spec, data, row, onClose }: Props) {
  const { t } = useTranslation()
  useFocusBack()
  const focusFirst = useFocusFirst()
  const [form] = Form.useForm<Row>()
  const fields = useMemo(() => spec.fields(data, row), [spec, data, row])
  const name = formName(spec, row)
  const draft = useDraft(name, fields)
  const start = { ...initial(fields), ...draft.values }
  const values = Form.useWatch([], form) ?? start
  const close = () => {
    draft.end()
    onClose()
  }
  const [error, setError] = useState<ApiError>()
  const [busy, setBusy] = useState(false)
  const calls = () => {
    try {
      const out = spec.calls(sofar(fields, form.getFieldsValue(true)), row ?? {}, data)
      return Array.isArray(out) ? out : [out]
    } catch {
      return []
    }
  }
  const submit = async () => {
    setBusy(true)
    setError(undefined)
    try {
      const answer = await run<Row>(t(`actions.${spec.title}`), spec.calls(form.getFieldsValue(true), row ?? {}, data))
      spec.done?.(answer, form.getFieldsValue(true))
      close()
    } catch (e) {
      const err = e instanceof ApiError ? e : new ApiError(0, String(e))
      setError(err)
      const about = fieldOf(err.message, fields)
      if (about) form.setFields([{ name: about, errors: [err.message] }])
    } finally {
      setBusy(false)
    }
  }
  return (
    <Drawer
      open
      onClose={close}
      {...focusFirst}
      title={t(`actions.${spec.title}`)}
      size={spec.width ?? 480}
      footer={
        <Flex justify="end" gap={8}>
          <Button onClick={close}>{t('common.cancel')}</Button>
          <Button type="primary" loading={busy} onClick={() => form.submit()} data-submit>
            {t('common.ok')}
          </Button>
        </Flex>
      }
    >
      {error ? (
        <Alert type="error" showIcon title={error.message} description={error.requestId} style={{ marginBottom: 16 }} role="alert" />
      ) : null}
      <Tabs
        items={[
          {
            key: 'form',
            label: t('form.form'),
            children: (
              <Form
                form={form}
                layout="vertical"
                initialValues={start}
                onFinish={submit}
                onValuesChange={() => draft.keep(form.getFieldsValue(true))}
                scrollToFirstError={{ focus: true }}
              >
                <Draft draft={draft} form={form} fields={fields} />
                <Fields fields={fields} values={values} />
                <button type="submit" hidden aria-hidden="true" tabIndex={-1} />
              </Form>
            ),
          },
          { key: 'api', label: t('showApi.title'), children: <ShowApi calls={calls()} /> },
        ]}
      />
    </Drawer>
  )
}

/** What a form's draft is kept by. */
export const formName = (spec: FormSpec, row?: Row) => `${spec.title}/${row?.id ?? row?.name ?? ''}`

interface DraftProps {
  draft: ReturnType<typeof useDraft>
  form: FormInstance<Row>
  fields: Field[]
}

/** Says that the form began with a draft, which can be discarded. */
export function Draft({ draft, form, fields }: DraftProps) {
  const { t } = useTranslation()
  if (!draft.kept) return null
  const discard = () => {
    draft.end()
    form.setFieldsValue(Object.fromEntries(fields.map((f) => [f.name, f.initial])))
  }
  return (
    <Alert
      type="info"
      showIcon
      role="status"
      data-draft
      title={t('form.draft')}
      action={
        <Button size="small" onClick={discard}>
          {t('form.discard')}
        </Button>
      }
      style={{ marginBottom: 16 }}
    />
  )
}

interface FormButtonProps {
  form: FormSpec
  rule?: string
  data: PageData
  row?: Row
  /** The button's word, if it is not the form's title. */
  label?: string
  after: () => void
}

/** A button that opens a form, for those whom the policy lets. */
export function FormButton({ form, rule, data, row, label, after }: FormButtonProps) {
  const { t } = useTranslation()
  const may = useCan(rule ? [rule] : [])(rule)
  const begun = useBegun(formName(form, row))
  const [open, setOpen] = useState(begun)
  const close = () => {
    setOpen(false)
    after()
  }
  return (
    <>
      <Tooltip title={reason(may, t)}>
        <Button type="primary" data-create disabled={!may.allowed} onClick={() => setOpen(true)}>
          {label ?? t(`actions.${form.title}`)}
        </Button>
      </Tooltip>
      {open ? <FormDrawer spec={form} data={data} row={row} onClose={close} /> : null}
    </>
  )
}
