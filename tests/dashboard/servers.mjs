// Simulated providers and a gateway in front of them, with ports and a state folder of their own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const BINARY = process.env.PACELINE_BIN ?? fileURLToPath(new URL('../../target/debug/paceline', import.meta.url))
const READY_WITHIN_MS = 30_000

/** How the simulated provider answers: slowly enough for a stream to be seen. */
const PROVIDER = ['--rpm', '1000000', '--tpm', '1000000000', '--first-token-ms', '80', '--token-ms', '25', '--output-tokens', '60']

async function freePort() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address()
  probe.close()
  await once(probe, 'close')
  return port
}

class Server {
  constructor(name, address, readyPath, command) {
    Object.assign(this, { name, address, readyPath, command })
  }

  async start() {
    const env = { PATH: process.env.PATH, HOME: process.env.HOME ?? '/' }
    this.log = ''
    this.process = spawn(BINARY, this.command, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    // The last of what it said, for a test that fails.
    const keep = (text) => (this.log = (this.log + text).slice(-20_000))
    this.process.stdout.on('data', keep)
    this.process.stderr.on('data', keep)
    const end = Date.now() + READY_WITHIN_MS
    while (Date.now() < end && this.process.exitCode === null) {
      const answer = await fetch(this.address + this.readyPath).catch(() => null)
      if (answer?.ok) return
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    throw new Error(`${this.name} did not start:\n${this.log}`)
  }

  signal(name) {
    this.process.kill(name)
  }

  async stop(signal = 'SIGKILL') {
    if (!this.process || this.process.exitCode !== null || this.process.signalCode !== null) return
    const ended = once(this.process, 'exit')
    this.process.kill(signal)
    await ended
  }
}

/** Starts them; `close` ends them and removes what they wrote. `{second}` in the configuration is the address of a
 * second provider, and `more` is put at its end. */
export async function startServers({ provider: providerArguments = PROVIDER, config = 'gateway.toml', more = '' } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'paceline-dashboard-'))
  const listen = async () => `127.0.0.1:${await freePort()}`
  const providerAt = (name, at) => new Server(name, `http://${at}`, '/_simulator/state', ['provider', '--listen', at, ...providerArguments])
  const provider = providerAt('provider', await listen())
  const second = providerAt('second provider', await listen())
  const settings = (await readFile(new URL(config, import.meta.url), 'utf8')) + more
  const hasSecond = settings.includes('{second}')
  const gatewayAt = await listen()
  const gateway = new Server('gateway', `http://${gatewayAt}`, '/healthz', [
    ...['serve', '--config', join(folder, 'gateway.toml'), '--listen', gatewayAt],
    ...['--upstream', `${provider.address}/v1`, '--state-dir', folder],
  ])
  const close = async () => {
    await Promise.all([gateway.stop(), provider.stop(), second.stop()])
    await rm(folder, { recursive: true, force: true })
  }
  try {
    await writeFile(join(folder, 'gateway.toml'), settings.replaceAll('{second}', second.address))
    await provider.start()
    if (hasSecond) await second.start()
    await gateway.start()
    const token = (await readFile(join(folder, 'admin-token'), 'utf8')).trim()
    return { provider, second, gateway, address: gateway.address, token, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** What goes wrong at a provider from now on; without rules nothing does. */
export async function setFaults(provider, ...rules) {
  const answer = await fetch(`${provider.address}/_simulator/faults`, { method: 'POST', body: JSON.stringify({ rules }) })
  if (!answer.ok) throw new Error(`the simulator does not take these faults: ${await answer.text()}`)
}

/** A call as a program makes it; gives the status and the code of an error. */
export async function call(address, { model = 'gpt-4o-mini', text = 'hello', headers = {}, signal, ...rest } = {}) {
  const answer = await fetch(`${address}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-test', ...headers },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: text }], ...rest }),
    signal: signal ?? null,
  })
  const body = await answer.json()
  return { status: answer.status, code: body.error?.code ?? null, id: answer.headers.get('x-paceline-request-id'), lane: answer.headers.get('x-paceline-lane') }
}

const TENANTS = ['acme', 'zeta', 'reports', 'web']
const PRIORITIES = ['interactive', 'standard', 'batch']

/** Callers that go on calling until they are stopped; some of them always wait. */
export function startLoad(address, callers = 10) {
  const stopper = new AbortController()
  const run = async (index) => {
    for (let round = 0; !stopper.signal.aborted; round++) {
      const headers = {
        'x-paceline-tenant': TENANTS[index % TENANTS.length],
        'x-paceline-session': `session-${index % 5}`,
        'x-paceline-priority': PRIORITIES[(index + round) % PRIORITIES.length],
        'x-paceline-tags': index % 2 ? 'nightly' : 'eval',
      }
      const model = (index + round) % 3 === 0 ? 'gpt-4o-mini' : 'gpt-4o'
      const text = 'word '.repeat(20 + ((index * 37 + round * 53) % 400))
      await call(address, { model, text, headers, max_tokens: 40, signal: stopper.signal }).catch(() => null)
    }
  }
  const runs = Array.from({ length: callers }, (_, index) => run(index))
  return async () => {
    stopper.abort()
    await Promise.all(runs)
  }
}

/** Waits until `look` gives something. */
export async function until(look, what, withinMs = 20_000) {
  const end = Date.now() + withinMs
  for (;;) {
    const found = await look()
    if (found) return found
    if (Date.now() > end) throw new Error(`it did not happen: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** Makes a call that waits, and tells when it does; `answer` is what it ends with. */
export async function waitInQueue(servers, options) {
  const known = new Set((await queue(servers)).calls.map((waiting) => waiting.request_id))
  const answer = call(servers.address, options)
  let early = null
  // Who does not wait for the end does not mind how it ends.
  answer.then((ended) => (early = ended), () => null)
  await until(async () => {
    if (early) throw new Error(`a call that was to wait was answered with ${JSON.stringify(early)}`)
    return (await queue(servers)).calls.some((waiting) => !known.has(waiting.request_id))
  }, 'a call waits')
  return { answer }
}

export async function queue({ address, token }) {
  const answer = await fetch(`${address}/monitoring/queue-status?limit=1000`, { headers: { authorization: `Bearer ${token}` } })
  return answer.json()
}
