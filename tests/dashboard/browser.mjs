// A browser that looks at the dashboard, and what must hold of every page whatever a test is about: no
// error in the console, nothing that the content security policy had to hold back, nothing asked of
// other hosts, and no refusal that the test did not expect.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { AxeBuilder } from '@axe-core/playwright'
import { chromium } from 'playwright-core'

/** Generous: machines that test are slow and do several things at once. */
const PATIENCE_MS = 20_000

export const PAGES = [
  ['now', 'Now'],
  ['queue', 'Queue'],
  ['usage', 'Usage and cost'],
  ['limits', 'Limits'],
  ['performance', 'Performance'],
  ['chat', 'Chat'],
  ['race', 'Race'],
]

export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? 'chromium',
    // Containers have no privileges to make a sandbox, and what is looked at is our own.
    args: ['--no-sandbox'],
  })
}

/** A browser of its own as far as cookies and storage go; `expectClean` says whether all went well. */
export async function visit(browser, address, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  context.setDefaultTimeout(PATIENCE_MS)
  const problems = []
  const refusals = []
  context.on('console', (message) => {
    // Answers that are no success are judged by themselves, below.
    const isAnswer = message.text().startsWith('Failed to load resource')
    if (['error', 'warning'].includes(message.type()) && !isAnswer) problems.push(`console: ${message.text()}`)
  })
  context.on('weberror', (error) => problems.push(`error: ${error.error().stack}`))
  context.on('request', (request) => {
    const { protocol, origin } = new URL(request.url())
    if (origin !== address && !['data:', 'blob:', 'about:'].includes(protocol)) problems.push(`other host: ${request.url()}`)
  })
  context.on('response', (response) => {
    const asked = `${response.request().method()} ${new URL(response.url()).pathname}`
    if (response.status() >= 400) refusals.push(`${response.status()} ${asked}`)
  })
  await context.exposeBinding('reportViolation', (_, text) => problems.push(`policy: ${text}`))
  await context.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`)
    })
  })
  await useOwnFiles(context)
  const page = await context.newPage()

  /** Refusals that belong to the test are named by `except`, as in `401 GET /dashboard/session`. */
  const expectClean = (...except) => {
    assert.deepEqual(problems, [])
    const unexpected = refusals.filter((refusal) => !except.some((one) => (one instanceof RegExp ? one.test(refusal) : one === refusal)))
    assert.deepEqual(unexpected, [])
  }
  return { context, page, expectClean, close: () => context.close() }
}

/** What a page asks before somebody is signed in. */
export const NOT_SIGNED_IN = '401 GET /dashboard/session'

/** With DASHBOARD_DIST the files of that folder are tested in place of those in the binary. */
async function useOwnFiles(context) {
  const folder = process.env.DASHBOARD_DIST
  if (!folder) return
  await context.route(/\/dashboard(\/[^?]*)?(\?.*)?$/, async (route) => {
    const request = route.request()
    const name = /\/dashboard\/(app\.js|app\.css|icon\.svg)$/.exec(new URL(request.url()).pathname)?.[1]
    const isPage = request.resourceType() === 'document'
    if (request.method() !== 'GET' || !(name || isPage)) return route.fallback()
    const response = await route.fetch()
    if (!response.ok()) return route.fulfill({ response })
    const headers = { ...response.headers() }
    for (const gone of ['content-encoding', 'content-length', 'etag']) delete headers[gone]
    await route.fulfill({ status: 200, headers, body: await readFile(join(folder, name ?? 'index.html')) })
  })
}

/** Signs in by the link that `paceline dashboard` prints, and opens a page. */
export async function signIn(page, { address, token }, path = 'now') {
  await page.goto(`${address}/dashboard/${path}#token=${token}`)
  await page.getByRole('navigation', { name: 'Pages' }).waitFor()
}

/** Opens a page by its link. */
export async function open(page, title) {
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: title, exact: true }).click()
  await heading(page, title)
}

export function heading(page, title) {
  return page.getByRole('heading', { level: 1, name: title, exact: true }).waitFor()
}

/** Waits until the feed has told something and what the page asked first has been answered. */
export async function settled(page) {
  await page.waitForFunction(() => {
    const health = document.querySelector('main .health')?.textContent ?? 'Connecting'
    const answers = performance.getEntriesByType('resource').filter((entry) => entry.responseEnd > performance.now() - 250)
    return !health.includes('Connecting') && answers.length === 0
  })
}

/** No rule of WCAG A and AA, nor of good practice, is broken. */
export async function expectAccessible(page, what) {
  const { violations } = await new AxeBuilder({ page }).analyze()
  const found = violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join(' | ')}`)
  assert.deepEqual(found, [], what)
}

/** The page does not scroll sideways. */
export async function expectFits(page, what) {
  const { wide, window } = await page.evaluate(() => ({
    wide: document.documentElement.scrollWidth,
    window: document.documentElement.clientWidth,
  }))
  assert.ok(wide <= window, `${what} is ${wide} px wide in a window of ${window} px`)
}
