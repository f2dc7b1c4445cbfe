// Signing in and out, and what is left of the token.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { NOT_SIGNED_IN, heading, open, signIn, startBrowser, visit } from './browser.mjs'
import { startServers } from './servers.mjs'

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

/** Whether the token is anywhere that a script, the address or the history could give away. */
async function expectNoToken({ page, context }) {
  const seen = await page.evaluate(() => JSON.stringify([location.href, document.cookie, { ...localStorage }, { ...sessionStorage }, history.state]))
  assert.ok(!seen.includes(servers.token), 'the token can be read by scripts')
  const cookies = await context.cookies()
  assert.ok(cookies.every((cookie) => cookie.httpOnly && cookie.sameSite === 'Strict'), 'scripts and other sites do not get the cookie')
  assert.ok(cookies.every((cookie) => cookie.value !== servers.token), 'the cookie is not the token')
}

test('a wrong token is refused in words, and the right one opens the page', () =>
  withVisit(async (visitor) => {
    const { page } = visitor
    await page.goto(`${servers.address}/dashboard`)
    const field = page.getByLabel('Admin token')
    await field.fill('not-the-token')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').filter({ hasText: /token/ }).waitFor()
    assert.equal(await field.inputValue(), 'not-the-token')
    assert.equal(await page.getByRole('navigation').count(), 0)

    await field.fill(servers.token)
    await page.getByRole('button', { name: 'Sign in' }).click()
    await heading(page, 'Now')
    await expectNoToken(visitor)
    visitor.expectClean(NOT_SIGNED_IN, '401 POST /dashboard/session')
  }))

test('a session outlives the loading of the page, in every window of the browser', () =>
  withVisit(async (visitor) => {
    await signIn(visitor.page, servers)
    await visitor.page.reload()
    await heading(visitor.page, 'Now')
    const other = await visitor.context.newPage()
    await other.goto(`${servers.address}/dashboard/queue`)
    await heading(other, 'Queue')
    visitor.expectClean()
  }))

test('a link with the token signs in, and the token is gone from the address and the history', () =>
  withVisit(async (visitor) => {
    const { page } = visitor
    await page.goto(`${servers.address}/dashboard/queue?request=x#token=${servers.token}`)
    await heading(page, 'Queue')
    assert.equal(page.url(), `${servers.address}/dashboard/queue?request=x`)
    await expectNoToken(visitor)
    await open(page, 'Limits')
    await page.goBack()
    await heading(page, 'Queue')
    assert.ok(!page.url().includes('token'))
    visitor.expectClean()
  }))

test('a link with a wrong token leads to the sign-in, with a clean address', () =>
  withVisit(async (visitor) => {
    const { page } = visitor
    await page.goto(`${servers.address}/dashboard/now#token=wrong`)
    await page.getByLabel('Admin token').waitFor()
    assert.equal(page.url(), `${servers.address}/dashboard/now`)
    visitor.expectClean(NOT_SIGNED_IN, '401 POST /dashboard/session')
  }))

test('signing out ends the session on the gateway, and what was typed is forgotten', () =>
  withVisit(async (visitor) => {
    const { page, context } = visitor
    await signIn(page, servers)
    await open(page, 'Chat')
    await page.getByLabel('Key').fill('sk-of-somebody')
    const cookies = await context.cookies()
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByText('Signed out.').waitFor()

    await page.getByLabel('Admin token').fill(servers.token)
    await page.keyboard.press('Enter')
    await heading(page, 'Chat')
    assert.equal(await page.getByLabel('Key').inputValue(), '')

    // The former cookie is of no use any more, even if somebody kept it.
    await context.clearCookies()
    await context.addCookies(cookies)
    await page.goto(`${servers.address}/dashboard/now`)
    await page.getByLabel('Admin token').waitFor()
    visitor.expectClean(/^401 /)
  }))
