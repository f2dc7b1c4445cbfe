// A chat through the gateway: its figures, its waits, stopping, and what is said when it is limited.
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, test } from 'node:test'
import { expectAccessible, expectFits, open, signIn, startBrowser, visit } from './browser.mjs'
import { call, queue, startServers, until, waitInQueue } from './servers.mjs'

/** A record is written a moment after its call, and a wait may be over when it is asked for. */
const NOT_THERE_YET = /^404 GET \/monitoring\/(requests|queue)\//

let servers
let browser
let visitor
let page

before(async () => {
  servers = await startServers()
  browser = await startBrowser()
})
after(async () => {
  await browser?.close()
  await servers?.close()
})
beforeEach(async () => {
  visitor = await visit(browser, servers.address)
  page = visitor.page
  await signIn(page, servers)
  await open(page, 'Chat')
  await page.getByLabel('Key').fill('sk-test')
  await page.getByLabel('Model').fill('gpt-4o-mini')
})
afterEach(() => visitor?.close())

async function say(text) {
  await page.getByLabel('Message', { exact: true }).fill(text)
  await page.keyboard.press('Enter')
}

const button = (name) => page.getByRole('button', { name, exact: true })
const announced = () => page.getByRole('status').last()
const answers = () => page.locator('main li.answer')

/** The figures of the last answer, by their names, once its record has come. */
async function figures() {
  await answers().last().getByRole('button', { name: 'Details' }).waitFor()
  const all = await answers().last().locator('dl').first().locator('div').evaluateAll((pairs) =>
    pairs.map((pair) => [pair.querySelector('dt').textContent, pair.querySelector('dd').textContent]),
  )
  return Object.fromEntries(all)
}

/** Records of the chat, as they are found under usage. */
async function records() {
  const name = await page.evaluate(() => /session=([^&]+)/.exec(document.querySelector('a[href*="usage?session="]')?.href ?? '')?.[1])
  const answer = await fetch(`${servers.address}/monitoring/requests?session=${name}`, { headers: { authorization: `Bearer ${servers.token}` } })
  return (await answer.json()).requests
}

test('an answer streams in, with what it took', async () => {
  await say('What is a token bucket?')
  await announced().getByText('The answer begins.').waitFor({ state: 'attached' })
  await announced().getByText('The answer is complete.').waitFor({ state: 'attached' })
  const told = await figures()
  assert.match(told.Tokens, /^\d+ in, \d+ out$/)
  assert.match(told.Cost, /^\$0\.0/)
  assert.match(told.Waited, / ms$/)
  assert.match(told['First byte'], /s$/)
  assert.equal(told.Retries, '0')
  assert.match(told['Characters a token'], /^\d/)
  assert.match(told['Input estimate'], /exact|too/)
  const [record] = await records()
  assert.equal(told.Tokens, `${record.input_tokens} in, ${record.output_tokens} out`)
  assert.equal(record.priority, 'interactive')

  await button('Details').click()
  await page.getByText(record.id).waitFor()
  await expectAccessible(page, 'an answer with its details')

  // What was said before goes along, so the second call has more to read.
  await say('Why?')
  await until(async () => (await records()).length === 2, 'the second call is recorded')
  const [second] = await records()
  assert.ok(second.input_tokens > record.input_tokens + record.output_tokens)
  visitor.expectClean(NOT_THERE_YET)
})

test('a wait shows the place and the time, and ends in the answer', async () => {
  await call(servers.address, { model: 'gpt-4.1-nano', max_tokens: 1 })
  await page.getByLabel('Model').fill('gpt-4.1-nano')
  await say('Is it my turn?')
  await page.getByText('Place 1 in the queue').waitFor()
  await page.getByText(/starts in about \d+ s|starts any moment/).waitFor()
  await page.getByText(/Waits for requests per minute/).waitFor()
  // The limits that hold it back are the first ones beside it.
  await page.getByRole('complementary', { name: 'Limits now' }).getByRole('heading', { level: 3 }).first().getByText('brisk').waitFor()
  await page.getByRole('progressbar', { name: 'How far the wait is' }).waitFor()
  await announced().getByText('The answer is complete.').waitFor({ state: 'attached' })
  const told = await figures()
  assert.match(told.Waited, /\d s$/)
  assert.equal(await page.getByText('Place 1 in the queue').count(), 0)
  visitor.expectClean(NOT_THERE_YET)
})

test('stopping while it waits frees the place, and nothing is sent', async () => {
  const other = { model: 'gpt-4.1-mini', headers: { 'x-paceline-priority': 'interactive' } }
  await call(servers.address, other)
  await waitInQueue(servers, other)
  await page.getByLabel('Model').fill('gpt-4.1-mini')
  await say('Later, please')
  await page.getByText(/Place \d in the queue/).waitFor()
  assert.equal((await queue(servers)).waiting, 2)
  await expectAccessible(page, 'a chat that waits')
  await page.setViewportSize({ width: 360, height: 740 })
  await expectFits(page, 'a chat that waits')
  await button('Stop').click()
  await page.getByText('Stopped while it waited.').waitFor()
  await until(async () => (await queue(servers)).waiting === 1, 'the place is free')
  const told = await figures()
  assert.equal(told.Cost, 'none, it was not sent')
  const [record] = await records()
  assert.deepEqual([record.outcome, record.attempts], ['caller_gone', 0])
  visitor.expectClean(NOT_THERE_YET)
})

test('stopping while it streams keeps what came, and it can be asked again', async () => {
  await say('Tell me a long story')
  await announced().getByText('The answer begins.').waitFor({ state: 'attached' })
  await button('Stop').click()
  await page.getByText('Stopped. What came until then stays.').waitFor()
  const kept = await answers().last().locator('.text').innerText()
  assert.ok(kept.length > 0)
  await until(async () => (await records())[0]?.outcome === 'caller_gone', 'the gateway knows that it was left')

  await button('Try again').click()
  await announced().getByText('The answer is complete.').waitFor({ state: 'attached' })
  assert.equal(await answers().count(), 1)
  await until(async () => (await records()).length === 2, 'both attempts are recorded')
  await page.getByText(/This chat: 2 calls/).waitFor()
  visitor.expectClean(NOT_THERE_YET)
})

test('a limit, a wrong key and a provider that is away are said with what helps', async () => {
  await page.getByLabel('Model').fill('gpt-4.1-mini')
  for (let others = 0; others < 2; others++) void call(servers.address, { model: 'gpt-4.1-mini' }).catch(() => null)
  await until(async () => (await queue(servers)).waiting > 0, 'somebody waits')
  await button('Settings').click()
  await page.getByLabel('Longest wait').fill('1s')
  await say('Now or never')
  await page.getByText('The wait would be too long', { exact: true }).waitFor()
  await page.getByText('Allow a longer wait in the settings, or try again later.', { exact: true }).waitFor()
  await page.getByLabel('Longest wait').fill('soon')
  await button('Try again').click()
  await page.getByRole('alert').getByText('The longest wait is not understood').waitFor()
  await page.getByLabel('Longest wait').fill('')

  await page.getByLabel('Model').fill('gpt-4o-mini')
  await page.getByLabel('Key').fill('not-a-key')
  await say('Who am I?')
  await page.getByText('The provider refused the key', { exact: true }).waitFor()
  // The provider's refusal must not pass for the end of the session.
  await page.getByRole('heading', { level: 1, name: 'Chat' }).waitFor()

  await page.getByLabel('Key').fill(servers.token)
  await button('Try again').click()
  await page.getByText('This is not a key for calls', { exact: true }).waitFor()
  await page.getByLabel('Key').fill('sk-test')
  await servers.provider.stop()
  try {
    await button('Try again').click()
    await page.getByText('The provider cannot be reached', { exact: true }).waitFor()
    await expectAccessible(page, 'a chat that failed')
  } finally {
    await servers.provider.start()
  }
  await button('Try again').click()
  await announced().getByText('The answer is complete.').waitFor({ state: 'attached' })
  visitor.expectClean(/^(400|401|429|502) POST \/dashboard\/chat\/completions$/, NOT_THERE_YET)
})

test('a refusal that names a time counts down to it', async () => {
  // Tenants are told apart by key: this one fills its own part of the queue.
  const mine = { model: 'gpt-4.1-mini' }
  const waits = Array.from({ length: 45 }, () => call(servers.address, mine).catch(() => null))
  await until(async () => (await queue(servers)).waiting >= 40, 'the queue is full')
  await page.getByLabel('Model').fill('gpt-4.1-mini')
  await say('Is there room?')
  await page.getByText('The queue is full', { exact: true }).waitFor()
  await page.getByText(/Likely to work in (\d+ min )?\d+ s/).waitFor()
  visitor.expectClean('429 POST /dashboard/chat/completions', NOT_THERE_YET)
  const session = await queue(servers)
  const cancel = ({ request_id: id }) =>
    fetch(`${servers.address}/monitoring/queue/${id}`, { method: 'DELETE', headers: { authorization: `Bearer ${servers.token}` } })
  await Promise.all(session.calls.map(cancel))
  await Promise.all(waits)
})

test('the conversation outlives a look at other pages; a new chat forgets it, under a new name', async () => {
  await say('Remember this')
  await open(page, 'Now')
  await open(page, 'Chat')
  await page.locator('main ol').getByText('Remember this').waitFor()
  await page.getByText(/This chat: 1 call/).waitFor()
  const name = await page.getByRole('link', { name: 'Find it under usage' }).getAttribute('href')
  await button('New chat').click()
  await button('Begin anew').click()
  await page.getByText('Nothing has been asked yet').waitFor()
  await say('Again')
  await page.getByText(/This chat: 1 call/).waitFor()
  assert.notEqual(await page.getByRole('link', { name: 'Find it under usage' }).getAttribute('href'), name)
  visitor.expectClean(NOT_THERE_YET)
})

test('the limits beside the chat are shown and hidden, and the key is written nowhere', async () => {
  const panel = page.getByRole('complementary', { name: 'Limits now' })
  await panel.waitFor()
  await button('Limits').click()
  await panel.waitFor({ state: 'hidden' })
  await page.goto(`${servers.address}/dashboard/now`)
  await open(page, 'Chat')
  assert.equal(await panel.count(), 0)
  assert.equal(await page.getByLabel('Model').inputValue(), 'gpt-4o-mini')
  assert.equal(await page.getByLabel('Key').inputValue(), '')
  const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
  assert.ok(!stored.includes('sk-test'))
  visitor.expectClean()
})
