import i18next from 'i18next'
import { initReactI18next } from 'react-i18next'
import en from '../locales/en.json'
import zh from '../locales/zh-CN.json'

export const languages = { en: 'English', 'zh-CN': '简体中文' } as const
export type Language = keyof typeof languages

const stored = localStorage.getItem('language')
const first: Language = stored === 'en' || stored === 'zh-CN' ? stored : navigator.language.startsWith('zh') ? 'zh-CN' : 'en'

void i18next.use(initReactI18next).init({
  resources: { en: { translation: en }, 'zh-CN': { translation: zh } },
  lng: first,
  fallbackLng: false,
  interpolation: { escapeValue: false },
  returnEmptyString: false,
})
document.documentElement.lang = first

export function setLanguage(language: Language) {
  localStorage.setItem('language', language)
  document.documentElement.lang = language
  void i18next.changeLanguage(language)
}

export const t = i18next.t.bind(i18next)
