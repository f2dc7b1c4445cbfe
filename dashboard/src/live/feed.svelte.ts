// The live picture of the gateway: the newest event of its feed, a short past of it, and whether the
// connection stands.
import { ApiError, request } from '../api/client'
import { EventParser, readEvents } from '../api/events'
import type { Now } from '../api/types'

/** How the connection stands. `ended`: the gateway said that it stops. */
export type Connection = 'connecting' | 'live' | 'lost'

/** One moment of the short past. Rates are means of the last few seconds: events come each half second,
 * and a rate of so short a time would only jump. */
export interface Moment {
  atMs: number
  /** Requests that went well, a second; nothing while too little of the past is known. */
  okPerSecond: number | null
  /** Requests that did not, a second. */
  failedPerSecond: number | null
  inFlight: number
  waiting: number
}

/** Over how long rates are taken. */
const RATE_MS = 5_000

/** Over less than this a rate says nothing. */
const RATE_MIN_MS = 1_500

/** What had ended at one moment. */
interface Totals {
  atMs: number
  ok: number
  failed: number
}

/** How long the past is. */
const PAST_MS = 5 * 60_000

/** The gateway sends something each 15 s at the latest; after twice that the connection is dead. */
const SILENCE_MS = 32_000

const RETRY_FIRST_MS = 500
const RETRY_MAX_MS = 10_000

class Feed {
  now = $state.raw<Now | null>(null)
  past = $state.raw<Moment[]>([])
  connection = $state<Connection>('connecting')
  /** When the connection was lost, on this machine's clock. */
  lostAtMs = $state(0)
  /** Why it was lost, for people. */
  reason = $state('')
  /** How far this machine's clock is behind the gateway's. */
  clockOffsetMs = 0

  private stopped: AbortController | null = null
  /** Totals of the last seconds, the oldest first. */
  private totals: Totals[] = []

  start(): void {
    if (this.stopped) return
    this.stopped = new AbortController()
    void this.run(this.stopped.signal)
  }

  stop(): void {
    this.stopped?.abort()
    this.stopped = null
    this.now = null
    this.past = []
    this.totals = []
    this.connection = 'connecting'
  }

  private async run(stopped: AbortSignal): Promise<void> {
    let retryMs = RETRY_FIRST_MS
    while (!stopped.aborted) {
      try {
        await this.listen(stopped, () => (retryMs = RETRY_FIRST_MS))
        this.lose('The gateway ended the connection.')
      } catch (error) {
        if (stopped.aborted) return
        this.lose(error instanceof ApiError ? error.message : 'The connection broke.')
        if (error instanceof ApiError && error.isSignedOut) return
      }
      await pause(retryMs * (0.75 + Math.random() / 2), stopped)
      retryMs = Math.min(retryMs * 2, RETRY_MAX_MS)
    }
  }

  private async listen(stopped: AbortSignal, onAlive: () => void): Promise<void> {
    const silent = new AbortController()
    let timer = setTimeout(() => silent.abort(), SILENCE_MS)
    const alive = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => silent.abort(), SILENCE_MS)
      onAlive()
    }
    try {
      const signal = AbortSignal.any([stopped, silent.signal])
      const response = await request('GET', '/monitoring/events', undefined, signal)
      if (!response.body) throw new ApiError(response.status, 'no_body', 'The feed is empty.')
      const parser = new EventParser((event) => {
        alive()
        if (event.name === 'now') this.take(JSON.parse(event.data) as Now)
      }, alive)
      await readEvents(response.body, parser)
    } finally {
      clearTimeout(timer)
    }
  }

  private take(now: Now): void {
    this.connection = 'live'
    this.clockOffsetMs = now.at_ms - Date.now()
    const moment = this.momentOf(now)
    this.past = [...this.past.filter((old) => old.atMs > now.at_ms - PAST_MS && old.atMs < now.at_ms), moment]
    this.now = now
  }

  private momentOf(now: Now): Moment {
    const totals = totalsOf(now)
    const restarted = this.totals.some((old) => old.ok > totals.ok || old.failed > totals.failed)
    const kept = restarted ? [] : this.totals.filter((old) => old.atMs >= now.at_ms - RATE_MS && old.atMs < now.at_ms)
    const since = kept[0]
    this.totals = [...kept, totals]
    const overMs = since ? now.at_ms - since.atMs : 0
    const rate = (of: (totals: Totals) => number): number | null =>
      since && overMs >= RATE_MIN_MS ? ((of(totals) - of(since)) * 1000) / overMs : null
    return {
      atMs: now.at_ms,
      okPerSecond: rate((totals) => totals.ok),
      failedPerSecond: rate((totals) => totals.failed),
      inFlight: now.pools.reduce((sum, pool) => sum + pool.in_flight, 0),
      waiting: now.pools.reduce((sum, pool) => sum + pool.waiting, 0),
    }
  }

  private lose(reason: string): void {
    if (this.connection !== 'lost') this.lostAtMs = Date.now()
    this.connection = 'lost'
    this.reason = reason
  }
}

function totalsOf(now: Now): Totals {
  const all = Object.entries(now.finished_total)
  const sum = (which: (outcome: string) => boolean): number =>
    all.reduce((total, [outcome, count]) => total + (which(outcome) ? count : 0), 0)
  return { atMs: now.at_ms, ok: sum((outcome) => outcome === 'ok'), failed: sum(isFailure) }
}

/** A caller that leaves is no failure, and a request that goes well is none. */
export function isFailure(outcome: string): boolean {
  return outcome !== 'ok' && outcome !== 'caller_gone'
}

function pause(ms: number, stopped: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    stopped.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

export const feed = new Feed()
