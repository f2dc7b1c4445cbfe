// Everything can be done without a mouse.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { NOT_SIGNED_IN, PAGES, heading, signIn, startBrowser, visit } from './browser.mjs'
import { call, queue, startServers, waitInQueue } from './servers.mjs'

let servers
let browser

before(async () => {
  servers = await startServers()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await servers?.close()
})

async function withVisit(act) {
  const visitor = await visit(browser, servers.address)
  try {
    await act(visitor)
  } finally {
    await visitor.close()
  }
}

/** What has the keyboard, by its words. */
function focused(page) {
  return page.evaluate(() => {
    const at = document.activeElement
    return at?.getAttribute('aria-label') ?? at?.labels?.[0]?.textContent ?? at?.textContent?.trim() ?? ''
  })
}

/** Presses Tab until something has the keyboard. */
async function tabTo(page, wanted, most = 40) {
  const met = []
  for (let step = 0; step < most; step++) {
    await page.keyboard.press('Tab')
    met.push(await focused(page))
    if (met.at(-1) === wanted) return met
  }
  assert.fail(`Tab does not lead to ${wanted}: ${met.join(', ')}`)
}

test('signing in takes the token and Enter', () =>
  withVisit(async ({ page, expectClean }) => {
    await page.goto(`${servers.address}/dashboard`)
    await page.getByLabel('Admin token').waitFor()
    assert.equal(await focused(page), 'Admin token')
    await page.keyboard.type(servers.token)
    await page.keyboard.press('Enter')
    await heading(page, 'Now')
    expectClean(NOT_SIGNED_IN)
  }))

test('Tab leads through the page in the order in which it is read', () =>
  withVisit(async ({ page, expectClean }) => {
    await signIn(page, servers)
    const met = await tabTo(page, 'Sign out')
    assert.deepEqual(met, ['Skip to content', ...PAGES.map(([, title]) => title), 'Colours', 'Sign out'])

    await page.reload()
    await heading(page, 'Now')
    await tabTo(page, 'Skip to content')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'content')
    expectClean()
  }))

test('number keys open pages, but not while somebody writes', () =>
  withVisit(async ({ page, expectClean }) => {
    await signIn(page, servers)
    for (const [index, [, title]] of PAGES.entries()) {
      await page.keyboard.press(String(index + 1))
      await heading(page, title)
      assert.equal(await page.evaluate(() => document.activeElement?.id), 'content')
    }
    await page.keyboard.press('6')
    await page.getByLabel('Message', { exact: true }).focus()
    await page.keyboard.type('1234567')
    await heading(page, 'Chat')
    assert.equal(await page.getByLabel('Message', { exact: true }).inputValue(), '1234567')
    expectClean()
  }))

test('a question that asks before something is done keeps the keyboard, and Esc leaves it', () =>
  withVisit(async ({ page, expectClean }) => {
    const waiting = { model: 'gpt-4.1-mini', headers: { 'x-paceline-tenant': 'acme' } }
    await call(servers.address, waiting)
    const { answer } = await waitInQueue(servers, waiting)
    await signIn(page, servers, 'queue')
    const end = 'End the wait of acme, place 1'
    await page.getByRole('button', { name: end }).waitFor()
    await tabTo(page, end)
    await page.keyboard.press('Enter')
    const dialog = page.getByRole('dialog', { name: 'End this wait?' })
    await dialog.waitFor()
    const inside = []
    for (let step = 0; step < 2; step++) {
      inside.push(await focused(page))
      await page.keyboard.press('Tab')
    }
    assert.deepEqual(inside, ['Leave it', 'End the wait'])
    assert.ok(!(await page.evaluate(() => document.activeElement?.closest('main, header'))), 'the page behind cannot be reached')
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'hidden' })
    assert.equal((await queue(servers)).waiting, 1)
    assert.equal(await focused(page), end)

    await page.keyboard.press('Enter')
    await dialog.waitFor()
    await page.keyboard.press('Tab')
    await page.keyboard.press('Enter')
    assert.equal((await answer).code, 'request_cancelled')
    expectClean()
  }))

test('a chat takes no mouse', () =>
  withVisit(async ({ page, expectClean }) => {
    await signIn(page, servers)
    await page.keyboard.press('6')
    await heading(page, 'Chat')
    await tabTo(page, 'Model')
    await page.keyboard.press('Control+A')
    await page.keyboard.type('gpt-4o-mini')
    await tabTo(page, 'Key')
    await page.keyboard.type('sk-test')
    await tabTo(page, 'Message')
    await page.keyboard.type('one')
    await page.keyboard.press('Shift+Enter')
    await page.keyboard.type('two')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Stop' }).waitFor()
    assert.equal(await focused(page), 'Message')
    await tabTo(page, 'Stop')
    await page.keyboard.press('Enter')
    await page.getByRole('button', { name: 'Send' }).waitFor()
    assert.equal(await focused(page), 'Message')
    const asked = await page.locator('main ol').getByText('one').innerText()
    assert.equal(asked, 'one\ntwo')
    expectClean()
  }))
