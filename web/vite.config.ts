import react from '@vitejs/plugin-react'
import { defineConfig } from 'vite'

// The Go side serves what is built here from dist (see ../dashboard/ui.go);
// while developing, vite passes its requests on to a running cloud.
export default defineConfig({
  plugins: [react()],
  build: {
    outDir: 'dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
    // The second is the console proxy's page.
    rollupOptions: { input: ['index.html', 'vnc_auto.html'] },
  },
  server: { proxy: { '/dashboard': { target: process.env.NUBO_DASHBOARD ?? 'http://127.0.0.1:9999', changeOrigin: true } } },
})
