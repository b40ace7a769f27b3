// The page of the console proxy: noVNC alone, for whoever has an address with
// a token.
import RFB from '@novnc/novnc'

const words = {
  en: { connecting: 'Connecting…', connected: 'Connected', lost: 'Disconnected. The address may have expired: ask for a new one.' },
  zh: { connecting: '正在连接…', connected: '已连接', lost: '连接已断开。地址可能已过期，请重新获取。' },
}[navigator.language.startsWith('zh') ? 'zh' : 'en']

const state = document.getElementById('state')
const screen = document.getElementById('screen')
if (state && screen) {
  const say = (word: keyof typeof words) => {
    state.textContent = words[word]
    state.dataset.state = word
  }
  say('connecting')
  const path = new URLSearchParams(location.search).get('path') ?? ''
  const url = new URL(`/${path.replace(/^\/+/, '')}`, location.href.replace(/^http/, 'ws'))
  const rfb = new RFB(screen, url.href, { shared: true, wsProtocols: ['binary'] })
  rfb.scaleViewport = true
  rfb.background = '#111'
  rfb.addEventListener('connect', () => {
    say('connected')
    rfb.focus()
  })
  rfb.addEventListener('disconnect', () => say('lost'))
  document.getElementById('keys')?.addEventListener('click', () => rfb.sendCtrlAltDel())
}
