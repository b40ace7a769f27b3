import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Root } from './app/root'
import { startLanguage } from './kit/i18n'
import './style.css'
import './table.css'

const root = document.getElementById('root')
if (root) {
  await startLanguage()
  createRoot(root).render(
    <StrictMode>
      <Root />
    </StrictMode>,
  )
}
