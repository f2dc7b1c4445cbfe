// How the gateway is doing, in one word and one line: the worst thing first.
import { counted, duration, limitName, percent } from './format'
import { outLine, returningLine } from './lanes'
import type { Connection } from './live/feed.svelte'
import type { LanesNow, LimitNow, Now, PoolNow } from './api/types'

export type Level = 'good' | 'warn' | 'bad' | 'idle'

export interface Health {
  level: Level
  /** One word or two: Healthy, Limited, Provider away. */
  word: string
  /** One line: what is the case, and what to do or expect. */
  line: string
}

/** A limit counts as nearly used up from here on. */
export const NEARLY_FULL = 0.85

export function useOf(limit: LimitNow): number {
  return limit.amount > 0 ? limit.used / limit.amount : 0
}

/** The limit that is used most, with its pool. */
export function fullestLimit(now: Now): { pool: PoolNow; limit: LimitNow } | null {
  const all = now.pools.flatMap((pool) => pool.limits.map((limit) => ({ pool, limit })))
  return all.reduce<(typeof all)[number] | null>((a, b) => (a && useOf(a.limit) >= useOf(b.limit) ? a : b), null)
}

/** What holds back most of those who wait. */
export function bindingOf(now: Now): string | null {
  const longest = now.pools.reduce<PoolNow | null>((a, b) => (a && a.waiting >= b.waiting ? a : b), null)
  return longest ? heldBackBy(longest) : null
}

/** What holds back the next request of a pool, in words. */
export function heldBackBy(pool: PoolNow): string | null {
  return pool.limited_by?.replaceAll('_', ' ') ?? null
}

export function healthOf(now: Now | null, connection: Connection): Health {
  if (!now) return { level: 'idle', word: 'Connecting', line: 'Waiting for the first word from the gateway.' }
  if (connection === 'lost') {
    return { level: 'bad', word: 'Not connected', line: 'These are the last figures that came. Trying again by itself.' }
  }
  return ledgerHealth(now) ?? outHealth(now.lanes) ?? providerHealth(now) ?? returningHealth(now.lanes) ?? paceHealth(now)
}

function ledgerHealth(now: Now): Health | null {
  if (now.ledger && now.ledger.lost > 0) {
    const line = `${counted(now.ledger.lost, 'usage record')} could not be kept. The gateway's log says why.`
    return { level: 'bad', word: 'Records lost', line }
  }
  return null
}

function outHealth(lanes: LanesNow): Health | null {
  const [first] = lanes.ill
  if (!first || lanes.out === 0) return null
  const word = lanes.out === 1 ? 'Lane out' : 'Lanes out'
  return { level: lanes.out === lanes.total ? 'bad' : 'warn', word, line: outLine(lanes, first) }
}

function returningHealth(lanes: LanesNow): Health | null {
  const [first] = lanes.ill
  if (!first || lanes.returning === 0) return null
  return { level: 'warn', word: 'Lane returning', line: returningLine(first) }
}

function providerHealth(now: Now): Health | null {
  if (!now.upstream_reached) {
    const line = 'The provider could not be reached the last time. Check the network and upstream.base_url.'
    return { level: 'bad', word: 'Provider away', line }
  }
  const paused = now.pools.find((pool) => pool.cool_down_ms > 0)
  if (paused) {
    const why = paused.episode?.kind === 'overload' ? 'is overloaded' : 'refused a request'
    const line = `The provider ${why}; sending goes on in ${duration(paused.cool_down_ms)}. Requests wait meanwhile.`
    return { level: 'warn', word: 'Paused', line }
  }
  const away = now.pools.find((pool) => ['share', 'open', 'closed'].includes(pool.store_mode ?? ''))
  if (away) {
    const line = 'The shared store does not answer; this gateway keeps to its own part of the quota until it does.'
    return { level: 'warn', word: 'Store away', line }
  }
  if (now.ledger && !now.ledger.writable) {
    const line = `The ledger takes no records; ${counted(now.ledger.queued + now.ledger.spilled, 'record')} wait for it.`
    return { level: 'warn', word: 'Ledger away', line }
  }
  return null
}

function paceHealth(now: Now): Health {
  const waiting = now.pools.reduce((sum, pool) => sum + pool.waiting, 0)
  const running = now.pools.reduce((sum, pool) => sum + pool.in_flight, 0)
  const fullest = fullestLimit(now)
  if (waiting > 0) {
    const why = bindingOf(now) ?? 'their turn'
    const line = `${counted(waiting, 'request')} ${waiting === 1 ? 'waits' : 'wait'}: ${why}. They go on by themselves.`
    return { level: 'warn', word: 'Limited', line }
  }
  if (fullest && useOf(fullest.limit) >= NEARLY_FULL) {
    const line = `${percent(useOf(fullest.limit))} of ${limitName(fullest.limit)} is used; requests will soon wait for their turn.`
    return { level: 'warn', word: 'Nearly full', line }
  }
  if (running === 0 && Object.values(now.finished_total).every((total) => total === 0)) {
    return { level: 'idle', word: 'Idle', line: 'No request has come yet.' }
  }
  return { level: 'good', word: 'Healthy', line: 'Nothing waits, and no limit is near.' }
}
