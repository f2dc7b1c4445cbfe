// Lanes: which there are and how they do, told as it happens; and a lane that is taken to be well.
import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { expectAccessible, expectFits, open, settled, signIn, startBrowser, visit } from './browser.mjs'
import { call, setFaults, startServers, until } from './servers.mjs'

/** A lane that is out stays out until somebody says otherwise. */
const OUT_FOR_LONG = '[breaker]\nopen = "1h"\nopen_max = "1h"\n'

/** A lane that is out is soon tried again. */
const BACK_SOON = '[breaker]\nopen = "1s"\nopen_max = "1s"\n'

const ILL = 'upstream/gpt-4o'
const WELL = 'second/gpt-4o-mini'

let browser
let servers
let visitor

before(async () => {
  browser = await startBrowser()
})
after(() => browser?.close())
afterEach(async () => {
  await visitor?.close()
  await servers?.close()
})

async function start(more, options) {
  servers = await startServers({ config: 'lanes.toml', more })
  visitor = await visit(browser, servers.address, options)
}

/** Lets the first lane fail until it is left alone; its calls are answered by the other one. */
async function makeIll() {
  await setFaults(servers.provider, { fault: '500', share: 1 })
  await until(async () => {
    const { status, lane } = await call(servers.address, { model: 'fast', max_tokens: 1 })
    assert.deepEqual([status, lane], [200, WELL])
    return (await lanes()).find(({ name }) => name === ILL).state === 'open'
  }, `${ILL} is left alone`)
}

async function lanes() {
  const answer = await fetch(`${servers.address}/monitoring/lanes`, { headers: { authorization: `Bearer ${servers.token}` } })
  return (await answer.json()).lanes
}

const card = (page, name) => page.getByRole('article', { name, exact: true })

test('a lane that is out is told on Now, led to, and shown with what it is ill of', async () => {
  await start(OUT_FOR_LONG)
  const { page, expectClean } = visitor
  await signIn(page, servers)
  await page.getByRole('link', { name: /Idle/ }).waitFor()
  await makeIll()
  await page.getByRole('link', { name: /Lane out/ }).waitFor()
  const health = page.getByRole('region', { name: 'Health' })
  await health.getByText(/1 of 2 lanes is out: upstream\/gpt-4o, 500 for \d+ s\. Calls take other lanes or wait\./).waitFor()
  await health.getByRole('link', { name: 'See the lanes' }).click()

  const ill = card(page, ILL)
  await ill.getByText('Out', { exact: true }).waitFor()
  await ill.getByText(/One tries it in 1 h/).waitFor()
  const told = await ill.innerText()
  for (const part of [/Ill since\s+\d\d:\d\d:\d\d, for \d/, /Ill of\s+500 at .*“The server had an error/, /Names\s+(twice, fast|fast, twice)/, /Key\s+the gateway’s own/, /Trips\s+1\b/]) {
    assert.match(told, part)
  }
  await ill.getByRole('meter', { name: `${ILL}: default: requests per minute` }).waitFor()
  const well = card(page, WELL)
  await well.getByText('Well', { exact: true }).waitFor()
  assert.match(await well.innerText(), /Key\s+the gateway’s own, account other/)
  assert.equal(await well.getByRole('button').count(), 0)
  // The time that it has been ill goes on.
  const since = () => ill.getByText(/, for /).innerText()
  const first = await since()
  await until(async () => (await since()) !== first, 'the time goes on')
  await ill.getByRole('link', { name: 'default' }).click()
  await page.getByRole('meter', { name: 'default: requests per minute' }).first().waitFor()
  expectClean()
})

test('a lane is taken to be well by keyboard, after a question', async () => {
  await start(OUT_FOR_LONG)
  const { page, expectClean } = visitor
  await makeIll()
  await setFaults(servers.provider)
  await signIn(page, servers, 'limits?view=lanes')
  const button = page.getByRole('button', { name: `Take ${ILL} to be well` })
  const dialog = page.getByRole('dialog', { name: 'Take this lane to be well?' })
  await button.focus()
  await page.keyboard.press('Enter')
  await dialog.getByText(ILL).waitFor()
  await page.keyboard.press('Escape')
  await dialog.waitFor({ state: 'hidden' })
  assert.equal((await lanes()).find(({ name }) => name === ILL).state, 'open')
  assert.ok(await button.evaluate((one) => one === document.activeElement), 'the button has the keyboard again')

  await page.keyboard.press('Enter')
  await dialog.waitFor()
  await page.keyboard.press('Tab')
  await page.keyboard.press('Enter')
  await page.getByRole('status').getByText(`${ILL} is taken to be well.`).waitFor({ state: 'attached' })
  await card(page, ILL).getByText('Well', { exact: true }).waitFor()
  assert.equal(await button.count(), 0)
  await page.waitForFunction((name) => document.activeElement?.getAttribute('aria-label') === name, ILL)
  assert.equal((await call(servers.address, { model: 'fast', max_tokens: 1 })).lane, ILL)
  await page.getByRole('radio', { name: 'Lanes', exact: true }).waitFor({ state: 'attached' })
  expectClean()
})

test('a lane that comes back is seen to do so', async () => {
  await start(BACK_SOON)
  const { page, expectClean } = visitor
  await makeIll()
  await signIn(page, servers)
  await page.getByRole('link', { name: /Lane out/ }).waitFor()
  await setFaults(servers.provider)
  await until(async () => (await call(servers.address, { model: 'fast', max_tokens: 1 })).lane === ILL, 'a call finds the lane to be well')
  await page.getByRole('link', { name: /Lane returning/ }).waitFor()
  await page.getByRole('region', { name: 'Health' }).getByText(/^upstream\/gpt-4o is coming back: \d+ % of its calls go there, soon all of them\./).waitFor()
  await page.getByRole('link', { name: /Healthy/ }).waitFor()
  expectClean()
})

test('the way to the lanes is there where it tells something, and says so where there are none', async () => {
  servers = await startServers()
  visitor = await visit(browser, servers.address)
  const { page, expectClean } = visitor
  const choice = page.getByRole('radio', { name: 'Lanes', exact: true })
  await signIn(page, servers, 'limits?view=lanes')
  await page.getByText('No lane yet').waitFor()
  assert.equal(await choice.count(), 1)

  await call(servers.address, { max_tokens: 1 })
  await card(page, 'upstream/gpt-4o-mini').getByText('the caller’s; the gateway has none').waitFor()
  await page.getByText('Pools', { exact: true }).click()
  await page.getByRole('meter').first().waitFor()
  assert.equal(await choice.count(), 0, 'one lane that is well tells nothing')
  await call(servers.address, { model: 'gpt-4.1-nano', max_tokens: 1 })
  await choice.waitFor({ state: 'attached' })
  expectClean()
})

for (const colorScheme of ['light', 'dark']) {
  test(`lanes are accessible and fit every width, ${colorScheme}`, async () => {
    await start(OUT_FOR_LONG, { colorScheme })
    const { page, expectClean } = visitor
    await makeIll()
    await signIn(page, servers)
    await page.getByRole('link', { name: 'See the lanes' }).waitFor()
    await expectAccessible(page, `Now, ${colorScheme}`)
    await page.getByRole('link', { name: 'See the lanes' }).click()
    await card(page, ILL).waitFor()
    await settled(page)
    await expectAccessible(page, `Lanes, ${colorScheme}`)
    await page.getByRole('button', { name: `Take ${ILL} to be well` }).click()
    await page.getByRole('dialog').waitFor()
    await expectAccessible(page, `the question, ${colorScheme}`)
    await page.keyboard.press('Escape')
    for (const width of [360, 390, 2560]) {
      await page.setViewportSize({ width, height: 800 })
      await expectFits(page, `lanes, ${width} px`)
    }
    expectClean()
  })
}

test('a request that was sent twice tells both costs', async () => {
  await start('')
  const { page, expectClean } = visitor
  await call(servers.address, { model: 'twice', headers: { 'x-paceline-priority': 'interactive' }, max_tokens: 5 })
  await signIn(page, servers, 'queue')
  const finished = page.getByRole('region', { name: 'Lately finished requests' })
  await finished.getByRole('row').filter({ hasText: 'twice' }).getByRole('button').click()
  const fact = (name) => finished.locator('dl > div').filter({ has: page.getByText(name, { exact: true }) }).locator('dd').innerText()
  assert.equal(await fact('Second attempt'), WELL)
  const dollars = async (name) => {
    const text = await fact(name)
    assert.match(text, /^\$\d/, name)
    return Number(text.slice(1))
  }
  const [all, first, second] = [await dollars('Cost'), await dollars('Cost, first attempt'), await dollars('Cost, second attempt')]
  assert.ok(first > 0 && second > 0 && Math.abs(all - first - second) < 0.000002, `${all} is not ${first} and ${second}`)
  await open(page, 'Now')
  expectClean()
})
