// The pictures of the README, from a gateway under load.
import { mkdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { open, settled, signIn, startBrowser, visit } from './browser.mjs'
import { call, queue, startLoad, startServers, until, waitInQueue } from './servers.mjs'

const FOLDER = process.env.PICTURES ?? fileURLToPath(new URL('../../docs/images/', import.meta.url))

/** How long the load goes on first, so that charts and figures have something to show. */
const PAST_MS = Number(process.env.PAST_SECONDS ?? 150) * 1000

await mkdir(FOLDER, { recursive: true })
const servers = await startServers()
const browser = await startBrowser()
const endLoad = startLoad(servers.address, 16)
try {
  const { page, expectClean } = await visit(browser, servers.address, { viewport: { width: 1280, height: 860 }, colorScheme: 'light' })
  await signIn(page, servers)
  // The page gathers what it draws while it is open.
  await new Promise((resolve) => setTimeout(resolve, PAST_MS))
  await until(async () => (await queue(servers)).waiting > 0, 'somebody waits')

  for (const [title, name] of [['Now', 'now'], ['Usage and cost', 'usage']]) {
    await open(page, title)
    if (name === 'usage') await page.getByText('1 h', { exact: true }).click()
    await settled(page)
    await take(page, name)
  }

  await open(page, 'Chat')
  await page.getByLabel('Key').fill('sk-test')
  await page.getByLabel('Model').fill('gpt-4o-mini')
  await say(page, 'What is a token bucket?')
  await page.getByRole('button', { name: 'Details' }).waitFor()
  // Others are first, so that there is a wait to see.
  const others = { model: 'gpt-4.1-mini', headers: { 'x-paceline-tenant': 'acme', 'x-paceline-priority': 'interactive' } }
  await call(servers.address, others)
  await waitInQueue(servers, others)
  await page.getByLabel('Model').fill('gpt-4.1-mini')
  await say(page, 'And how does it differ from a sliding window?')
  await page.getByText('Place 2 in the queue').waitFor()
  await page.getByText('4 s so far').waitFor()
  await take(page, 'chat')
  expectClean(/^404 GET \/monitoring\/requests\//)
} finally {
  await endLoad()
  await browser.close()
  await servers.close()
}

async function say(page, text) {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.keyboard.press('Enter')
}

async function take(page, name) {
  const path = `${FOLDER}/dashboard-${name}.png`
  await page.screenshot({ path })
  console.log(path)
}
