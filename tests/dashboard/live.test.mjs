// What happens on the gateway is seen without loading anything anew, the loss of the connection too; and
// waits can be ended.
import assert from 'node:assert/strict'
import { after, before, beforeEach, afterEach, test } from 'node:test'
import { NOT_SIGNED_IN, heading, open, signIn, startBrowser, visit } from './browser.mjs'
import { call, queue, startServers, until, waitInQueue } from './servers.mjs'

let browser
let servers
let visitor

before(async () => {
  browser = await startBrowser()
})
after(() => browser?.close())
beforeEach(async () => {
  servers = await startServers()
  visitor = await visit(browser, servers.address)
})
afterEach(async () => {
  await visitor?.close()
  await servers?.close()
})

/** A figure of a page, by its name. */
function figure(page, label) {
  return page.locator('main dl > div').filter({ has: page.getByText(label, { exact: true }) }).locator('dd').first()
}

test('limits, health and figures change as calls come', async () => {
  const { page, expectClean } = visitor
  await signIn(page, servers)
  await page.getByText('No limit pool yet').waitFor()
  await page.getByRole('link', { name: /Idle/ }).waitFor()

  await call(servers.address, { model: 'gpt-4.1-mini', headers: { 'x-paceline-tenant': 'acme' } })
  await page.getByRole('link', { name: 'slow' }).waitFor()
  await page.getByRole('meter', { name: 'slow: requests per minute' }).waitFor()

  await waitInQueue(servers, { model: 'gpt-4.1-mini', headers: { 'x-paceline-tenant': 'zeta' } })
  await page.getByRole('link', { name: /Limited/ }).waitFor()
  await figure(page, 'Waiting').getByText('1', { exact: true }).waitFor()

  await open(page, 'Queue')
  await page.getByRole('region', { name: 'Waiting requests' }).getByText('zeta').waitFor()
  await page.getByRole('region', { name: 'Lately finished requests' }).getByText('acme').waitFor()
  expectClean()
})

test('one wait is ended after a question, and its caller is told', async () => {
  const { page, expectClean } = visitor
  const waiting = { model: 'gpt-4.1-mini', headers: { 'x-paceline-tenant': 'acme', 'x-paceline-session': 'one' } }
  await call(servers.address, waiting)
  const { answer } = await waitInQueue(servers, waiting)
  await signIn(page, servers, 'queue')
  await page.getByRole('button', { name: 'End the wait of acme, place 1' }).click()
  const dialog = page.getByRole('dialog', { name: 'End this wait?' })
  await dialog.getByRole('button', { name: 'Leave it' }).click()
  await dialog.waitFor({ state: 'hidden' })
  assert.equal((await queue(servers)).waiting, 1)

  await page.getByRole('button', { name: 'End the wait of acme, place 1' }).click()
  await dialog.getByRole('button', { name: 'End the wait' }).click()
  assert.deepEqual(await answer.then(({ status, code }) => [status, code]), [409, 'request_cancelled'])
  await page.getByText('Nobody waits').waitFor()
  await page.getByText('1 wait ended.').waitFor()
  expectClean()
})

test('all waits of a session are ended together, and no others', async () => {
  const { page, expectClean } = visitor
  const of = (session) => ({ model: 'gpt-4.1-mini', headers: { 'x-paceline-tenant': 'acme', 'x-paceline-session': session } })
  await call(servers.address, of('first'))
  const waits = []
  for (const session of ['nightly', 'nightly', 'other']) waits.push(await waitInQueue(servers, of(session)))
  await signIn(page, servers, 'queue')
  await page.getByRole('button', { name: 'End nightly (2)' }).click()
  await page.getByRole('dialog', { name: 'End all waits of this session?' }).getByRole('button', { name: 'End the waits' }).click()
  const ended = await Promise.all([waits[0].answer, waits[1].answer])
  assert.deepEqual(ended.map(({ code }) => code), ['request_cancelled', 'request_cancelled'])
  await page.getByText('2 waits ended.').waitFor()
  const left = await queue(servers)
  assert.deepEqual(left.calls.map((waiting) => waiting.session), ['other'])
  expectClean()
})

test('a gateway that is gone is said at once, and one that was started anew asks to sign in', async () => {
  const { page, expectClean } = visitor
  await signIn(page, servers)
  await page.getByRole('link', { name: /Idle/ }).waitFor()
  await servers.gateway.stop('SIGKILL')
  const banner = page.getByRole('alert').filter({ hasText: 'Connection lost' })
  await banner.getByText(/trying again by itself/).waitFor()
  await page.getByText('These are the last figures that came.').waitFor()

  await servers.gateway.start()
  await page.getByLabel('Admin token').waitFor()
  await page.getByText(/The session has ended/).waitFor()
  await page.getByLabel('Admin token').fill(servers.token)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await heading(page, 'Now')
  await page.getByRole('link', { name: /Idle/ }).waitFor()
  assert.equal(await banner.count(), 0)
  expectClean(/^401 /)
})

test('a gateway that says nothing for long counts as lost, and comes back by itself', async () => {
  const { page, expectClean } = visitor
  await page.clock.install()
  await signIn(page, servers)
  await page.getByRole('link', { name: /Idle/ }).waitFor()
  const banner = page.getByRole('alert').filter({ hasText: 'Connection lost' })
  servers.gateway.signal('SIGSTOP')
  try {
    // Comments come each 15 s: the page gives up after twice that, which need not be waited for.
    await page.clock.fastForward(40_000)
    await banner.waitFor()
  } finally {
    servers.gateway.signal('SIGCONT')
  }
  await until(async () => {
    await page.clock.fastForward(11_000)
    return (await banner.count()) === 0
  }, 'the page comes back')
  await page.getByRole('link', { name: /Idle/ }).waitFor()
  expectClean(NOT_SIGNED_IN)
})
