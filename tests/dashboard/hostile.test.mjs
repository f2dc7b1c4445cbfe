// Whatever callers write is shown as they wrote it, and nothing of it is run, loaded or lays out the page
// anew.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { PAGES, expectAccessible, expectFits, open, settled, signIn, startBrowser, visit } from './browser.mjs'
import { call, setFaults, startServers, waitInQueue } from './servers.mjs'

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

/** What headers can hold: visible ASCII. */
const NAMES = [
  '<img/src=x/onerror=window.pwned=1>',
  '"><script>window.pwned=1</script>',
  "';window.pwned=1;'",
  'javascript:window.pwned=1',
  '{{constructor.constructor("window.pwned=1")()}}${window.pwned=1}',
  '&lt;b&gt;&amp;quot;',
  '../../../../etc/passwd?a=b#c',
  `https://elsewhere.invalid/${'x'.repeat(230)}`,
  'M'.repeat(256),
]

/** What bodies can hold besides: anything. */
const MODELS = [
  ...NAMES,
  '\u202Etxt.exe\u202C\u2066\u2067',
  '\u{1F9A9}'.repeat(40),
  `e${'\u0301'.repeat(100)}`,
  'line\u2028end\u2029\u00A0\u200B',
  '</textarea></title></style><svg/onload=window.pwned=1>',
]

async function expectHarmless(page, what) {
  const found = await page.evaluate(() => ({
    pwned: window.pwned ?? null,
    elements: [...document.querySelectorAll('#app :is(script, iframe, object, embed, svg svg, b, base, [onerror], [onload]), #app img:not([src="/dashboard/icon.svg"])')].map((one) => one.outerHTML),
    links: [...document.querySelectorAll('#app a')].map((link) => link.href).filter((href) => !href.startsWith(location.origin)),
  }))
  assert.deepEqual(found, { pwned: null, elements: [], links: [] }, what)
  await expectFits(page, what)
}

test('names of tenants, sessions, tags and models are text and nothing else', async () => {
  const visitor = await visit(browser, servers.address)
  const { page, expectClean } = visitor
  const labels = (name) => ({ 'x-paceline-tenant': name, 'x-paceline-session': name, 'x-paceline-tags': name })
  for (const [index, model] of MODELS.entries()) await call(servers.address, { model, headers: labels(NAMES[index % NAMES.length]), max_tokens: 1 })
  await call(servers.address, { model: 'gpt-4.1-mini' })
  for (const name of NAMES) await waitInQueue(servers, { model: 'gpt-4.1-mini', headers: labels(name) })

  await signIn(page, servers)
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 })
    for (const [, title] of PAGES) {
      await open(page, title)
      await settled(page)
      await expectHarmless(page, `${title}, ${width} px`)
    }
  }

  await open(page, 'Queue')
  await page.setViewportSize({ width: 1280, height: 900 })
  const waiting = page.getByRole('region', { name: 'Waiting requests' })
  for (const name of NAMES) await waiting.getByRole('button', { name, exact: true }).first().waitFor()
  await waiting.getByRole('button', { name: NAMES[0], exact: true }).first().click()
  await page.getByRole('button', { name: `End ${NAMES[1]}` }).first().click()
  await page.getByRole('dialog').getByText(NAMES[1]).waitFor()
  await expectHarmless(page, 'a question about a session')
  await page.keyboard.press('Escape')

  const finished = page.getByRole('region', { name: 'Lately finished requests' })
  for (const model of MODELS) assert.ok((await finished.innerText()).includes(model.trim()), `${model} is shown as it is`)
  await finished.getByRole('row').filter({ hasText: NAMES[1] }).first().getByRole('button').click()
  await settled(page)
  await expectHarmless(page, 'details of a request')
  await expectAccessible(page, 'Queue with hostile names')
  expectClean()
  await visitor.close()
})

test('names of lanes and what providers say of their errors are text and nothing else', async () => {
  const visitor = await visit(browser, servers.address)
  const { page, expectClean } = visitor
  await setFaults(servers.provider, { fault: '500', share: 1 })
  for (const model of MODELS) for (let time = 0; time < 3; time++) await call(servers.address, { model, max_tokens: 1 })
  await setFaults(servers.provider)
  // The provider does not say such things; somebody else's may.
  await page.route('**/monitoring/lanes', async (route) => {
    const response = await route.fetch()
    const json = await response.json()
    for (const [index, lane] of json.lanes.entries()) if (lane.cause) lane.cause.message = MODELS[index % MODELS.length]
    await route.fulfill({ response, json })
  })
  await signIn(page, servers)
  await page.getByRole('link', { name: 'See the lanes' }).waitFor()
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 900 })
    await open(page, 'Now')
    await settled(page)
    await expectHarmless(page, `Now with ill lanes, ${width} px`)
    await page.getByRole('link', { name: 'See the lanes' }).click()
    await page.getByRole('article').first().waitFor()
    await settled(page)
    await expectHarmless(page, `lanes, ${width} px`)
  }
  await expectAccessible(page, 'Lanes with hostile names')
  const filter = page.getByLabel('Only lanes with')
  for (const model of [NAMES[0], NAMES[1]]) {
    await filter.fill(model)
    await page.getByRole('button', { name: `Take upstream/${model} to be well` }).click()
    const dialog = page.getByRole('dialog')
    assert.ok((await dialog.innerText()).includes(`upstream/${model}`), `${model} is shown as it is`)
    await expectHarmless(page, `the question about ${model}`)
    await dialog.getByRole('button', { name: 'Take it to be well' }).click()
    await page.getByRole('article', { name: `upstream/${model}`, exact: true }).getByText('Well', { exact: true }).waitFor()
  }
  expectClean()
  await visitor.close()
})

test('what is said in the chat is text and nothing else', async () => {
  const visitor = await visit(browser, servers.address)
  const { page, expectClean } = visitor
  const markup = MODELS.join('\n')
  const answer = `Look:\n\`\`\`html\n<script>window.pwned=1</script>\n  <b>two</b>\n\`\`\`\n${markup}\n~~~\nopen to the end ${'long'.repeat(200)}`
  // The provider does not say such things; somebody else's may.
  await page.route('**/dashboard/chat/completions', async (route) => {
    if (route.request().method() !== 'POST') return route.fallback()
    const chunk = (choice, more = {}) => `data: ${JSON.stringify({ choices: choice ? [choice] : [], ...more })}\n\n`
    const body = [
      ': paceline position=1 eta_ms=10 limited_by="<b>bold</b>"\n\n',
      ...[...answer].map((character) => chunk({ delta: { content: character } })),
      chunk({ delta: {}, finish_reason: 'stop' }),
      'data: [DONE]\n\n',
    ].join('')
    await route.fulfill({ status: 200, headers: { 'content-type': 'text/event-stream' }, body })
  })
  await signIn(page, servers)
  await open(page, 'Chat')
  await page.getByLabel('Key').fill('sk-test')
  await page.getByLabel('Model').fill(MODELS[1])
  await page.getByLabel('Message', { exact: true }).fill(markup)
  await page.keyboard.press('Enter')
  await page.getByRole('status').getByText('The answer is complete.').waitFor({ state: 'attached' })
  const blocks = page.locator('li.answer .text')
  assert.equal(await blocks.locator('pre').first().textContent(), '<script>window.pwned=1</script>\n  <b>two</b>')
  assert.match(await blocks.locator('pre').last().textContent(), /^open to the end/)
  assert.equal(await blocks.locator('p.plain').last().textContent(), markup.trim())
  assert.equal(await page.locator('li.question p').textContent(), markup)
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 800 })
    await expectHarmless(page, `the chat, ${width} px`)
  }
  await expectAccessible(page, 'a hostile chat')
  expectClean()
  await visitor.close()
})
