// The language of the page. Only the chosen one's texts are loaded.
import type { ConfigProviderProps } from 'antd'
import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'

export const languages = { en: 'English', 'zh-CN': '简体中文' } as const
export type Language = keyof typeof languages

interface Texts {
  texts: object
  /** What the component library says by itself. */
  components: ConfigProviderProps['locale']
}

const sources: Record<Language, () => Promise<{ default: Texts }>> = {
  en: () => import('../locales/en'),
  'zh-CN': () => import('../locales/zh-CN'),
}

const components: Partial<Record<Language, Texts['components']>> = {}

async function load(language: Language) {
  if (i18next.hasResourceBundle(language, 'translation')) return
  const { default: loaded } = await sources[language]()
  components[language] = loaded.components
  i18next.addResourceBundle(language, 'translation', loaded.texts)
}

/** The component library's texts in the language chosen. */
export function componentTexts() {
  return components[i18next.language as Language]
}

/** Loads the language chosen before; without it there is no page to show. */
export async function startLanguage() {
  await i18next.use(initReactI18next).init({
    fallbackLng: false,
    interpolation: { escapeValue: false },
    returnEmptyString: false,
  })
  const stored = localStorage.getItem('language')
  await show(stored === 'en' || stored === 'zh-CN' ? stored : navigator.language.startsWith('zh') ? 'zh-CN' : 'en')
}

async function show(language: Language) {
  await load(language)
  await i18next.changeLanguage(language)
  document.documentElement.lang = language
}

export async function setLanguage(language: Language) {
  localStorage.setItem('language', language)
  await show(language)
}

export const t = i18next.t.bind(i18next)
