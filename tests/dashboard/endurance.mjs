// Ten minutes of 200 requests a second with the page open: what the browser keeps in memory, and what
// the page costs the gateway, against two minutes without it before and after.
import { readFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { open, signIn, startBrowser, visit } from './browser.mjs'
import { startServers } from './servers.mjs'

const SECONDS = Number(process.env.ENDURANCE_SECONDS ?? 600)
const PER_SECOND = 200
const SAMPLE_SECONDS = Math.max(SECONDS / 20, 5)

/** Of the system: clock ticks a second that processor times are told in. */
const TICKS_PER_SECOND = 100

const BODY = JSON.stringify({ model: 'gpt-4o', max_tokens: 20, messages: [{ role: 'user', content: 'word '.repeat(50) }] })

const provider = ['--rpm', '1000000', '--tpm', '1000000000', '--output-tokens', '10']
const servers = await startServers({ provider, config: 'endurance.toml' })
const browser = await startBrowser()
try {
  await load(5)
  const without = await measured('without the page', SECONDS / 5)
  const { page, context, expectClean } = await visit(browser, servers.address)
  await signIn(page, servers)
  const inspector = await context.newCDPSession(page)
  await inspector.send('Performance.enable')
  const memory = watch(inspector)
  const beside = await measured('with the page', SECONDS)
  const samples = await memory.end()
  console.log(`heap of the page after collection, MiB: ${samples.map((sample) => sample.heapMib.toFixed(1)).join(' ')}`)
  console.log(`nodes of the page: ${samples.map((sample) => sample.nodes).join(' ')}`)
  await open(page, 'Queue')
  expectClean()
  const again = await measured('without the page', SECONDS / 5, () => page.close())
  const alone = (without.perSecond + again.perSecond) / 2
  console.log(`served each second with the page, against without: ${((beside.perSecond / alone) * 100).toFixed(2)} %`)
  const cpuAlone = (without.cpuUs + again.cpuUs) / 2
  console.log(`processor time of the gateway for each request: ${(beside.cpuUs / cpuAlone).toFixed(3)} times that without`)
} finally {
  await browser.close()
  await servers.close()
}

/** Sends at a steady pace whatever comes back, for so many seconds. */
async function load(seconds) {
  const agent = new Agent({ keepAlive: true, maxSockets: 256 })
  const waits = []
  let failed = 0
  const began = performance.now()
  const due = []
  for (let sent = 0; sent < seconds * PER_SECOND; ) {
    const wanted = Math.min(((performance.now() - began) / 1000) * PER_SECOND, seconds * PER_SECOND)
    for (; sent < wanted; sent++) due.push(one(agent, waits).catch(() => failed++))
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(due)
  agent.destroy()
  waits.sort((a, b) => a - b)
  const at = (part) => waits[Math.min(Math.floor(waits.length * part), waits.length - 1)]
  const perSecond = waits.length / ((performance.now() - began) / 1000)
  return { perSecond, failed, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

function one(agent, waits) {
  const began = performance.now()
  const headers = { 'content-type': 'application/json', 'content-length': BODY.length, authorization: 'Bearer sk-test' }
  return new Promise((resolve, reject) => {
    const call = request(`${servers.address}/v1/chat/completions`, { method: 'POST', headers, agent }, (answer) => {
      answer.resume()
      answer.on('end', () => {
        if (answer.statusCode !== 200) return reject(new Error(`status ${answer.statusCode}`))
        waits.push(performance.now() - began)
        resolve()
      })
    })
    call.on('error', reject)
    call.end(BODY)
  })
}

async function measured(name, seconds, before = async () => {}) {
  await before()
  const cpu = await cpuUs()
  const figures = await load(seconds)
  const used = ((await cpuUs()) - cpu) / (seconds * PER_SECOND)
  const times = ['p50', 'p95', 'p99'].map((part) => `${part} ${figures[part].toFixed(1)} ms`).join(', ')
  console.log(`${name}, ${seconds} s: ${figures.perSecond.toFixed(2)}/s, ${figures.failed} failed, ${times}, gateway ${used.toFixed(0)} us of processor each`)
  return { ...figures, cpuUs: used }
}

/** Processor time that the gateway has used, in microseconds. */
async function cpuUs() {
  const fields = (await readFile(`/proc/${servers.gateway.process.pid}/stat`, 'utf8')).split(') ')[1].split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND
}

/** Looks at the page's memory now and then, each time after what is not needed was collected. */
function watch(inspector) {
  const samples = []
  let ended = false
  const look = async () => {
    await inspector.send('HeapProfiler.collectGarbage')
    const { metrics } = await inspector.send('Performance.getMetrics')
    const figure = (name) => metrics.find((metric) => metric.name === name).value
    samples.push({ heapMib: figure('JSHeapUsedSize') / 2 ** 20, nodes: figure('Nodes') })
  }
  const run = (async () => {
    while (!ended) {
      await new Promise((resolve) => setTimeout(resolve, SAMPLE_SECONDS * 1000))
      if (!ended) await look()
    }
  })()
  return {
    end: async () => {
      await look()
      ended = true
      await run
      return samples
    },
  }
}
