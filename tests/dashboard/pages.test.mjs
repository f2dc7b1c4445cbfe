// Every page while the gateway is under load: without errors, for everybody, at every width, in both themes.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { NOT_SIGNED_IN, PAGES, expectAccessible, expectFits, heading, open, settled, signIn, startBrowser, visit } from './browser.mjs'
import { startLoad, startServers } from './servers.mjs'

let servers
let browser
let endLoad

before(async () => {
  servers = await startServers()
  browser = await startBrowser()
  endLoad = startLoad(servers.address)
})
after(async () => {
  await endLoad?.()
  await browser?.close()
  await servers?.close()
})

async function withVisit(options, act) {
  const visitor = await visit(browser, servers.address, options)
  try {
    await signIn(visitor.page, servers)
    await act(visitor)
  } finally {
    await visitor.close()
  }
}

test('every page opens by its link, shows no failure, and leaves the console empty', () =>
  withVisit({}, async ({ page, expectClean }) => {
    for (const [path, title] of PAGES) {
      await open(page, title)
      await settled(page)
      assert.equal(new URL(page.url()).pathname, `/dashboard/${path}`)
      assert.equal(await page.title(), `${title} · paceline`)
      assert.equal(await page.locator('main [role=alert]').filter({ hasText: /\S/ }).count(), 0, `${title} shows a failure`)
    }
    expectClean()
  }))

test('every page opens by its address', () =>
  withVisit({}, async ({ page, expectClean }) => {
    for (const [path, title] of PAGES) {
      await page.goto(`${servers.address}/dashboard/${path}`)
      await heading(page, title)
    }
    await page.goto(`${servers.address}/dashboard/no-such-page`)
    await page.getByText('There is nothing at this address.').waitFor()
    expectClean()
  }))

for (const colorScheme of ['light', 'dark']) {
  test(`every page is accessible, ${colorScheme}`, () =>
    withVisit({ colorScheme }, async ({ page, expectClean }) => {
      for (const [, title] of PAGES) {
        await open(page, title)
        await settled(page)
        await expectAccessible(page, `${title}, ${colorScheme}`)
      }
      expectClean()
    }))
}

for (const width of [360, 390, 2560]) {
  test(`no page scrolls sideways, ${width} px`, () =>
    withVisit({ viewport: { width, height: 800 } }, async ({ page, expectClean }) => {
      for (const [, title] of PAGES) {
        await open(page, title)
        await settled(page)
        await expectFits(page, title)
      }
      expectClean()
    }))
}

test('the sign-in is accessible and fits a phone', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const visitor = await visit(browser, servers.address, { colorScheme, viewport: { width: 360, height: 700 } })
    await visitor.page.goto(`${servers.address}/dashboard`)
    await visitor.page.getByLabel('Admin token').waitFor()
    await expectAccessible(visitor.page, colorScheme)
    await expectFits(visitor.page, 'the sign-in')
    visitor.expectClean(NOT_SIGNED_IN)
    await visitor.close()
  }
})

test('colours follow the system until somebody chooses, and the choice is remembered', () =>
  withVisit({ colorScheme: 'dark' }, async ({ page, expectClean }) => {
    const theme = () => page.evaluate(() => document.documentElement.dataset.theme)
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    assert.equal(await theme(), 'dark')
    const dark = await background()
    await page.emulateMedia({ colorScheme: 'light' })
    await page.waitForFunction(() => document.documentElement.dataset.theme === 'light')
    assert.notEqual(await background(), dark)

    await page.getByLabel('Colours').selectOption('Dark')
    await page.waitForFunction(() => document.documentElement.dataset.theme === 'dark')
    await page.reload()
    await heading(page, 'Now')
    assert.equal(await theme(), 'dark')
    assert.equal(await background(), dark)
    expectClean()
  }))
