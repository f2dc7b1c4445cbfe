import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

// The gateway embeds what is built here, so it goes where the crate that holds it can see it. The
// names are fixed: the gateway tells versions apart by their content, not by their names.
export default defineConfig({
  base: '/dashboard/',
  plugins: [svelte()],
  build: {
    outDir: '../crates/dashboard/dist',
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: false,
    cssCodeSplit: false,
    // Small pictures must not become `data:` addresses in the style sheet.
    assetsInlineLimit: 0,
    rollupOptions: {
      output: {
        codeSplitting: false,
        entryFileNames: 'app.js',
        assetFileNames: 'app[extname]',
      },
    },
  },
  server: {
    // While developing, the page comes from here and everything else from a gateway.
    proxy: Object.fromEntries(
      ['/monitoring', '/dashboard/session', '/dashboard/chat/completions', '/openapi.json'].map((path) => [
        path,
        { target: process.env.PACELINE_GATEWAY ?? 'http://127.0.0.1:4100', changeOrigin: false },
      ]),
    ),
  },
})
