// Figures as people read them. Every function takes the gateway's units.

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 })
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 })

/** 12,345 */
export function count(value: number): string {
  return whole.format(value)
}

/** 12.3K from a hundred thousand on, else every digit. */
export function short(value: number): string {
  return Math.abs(value) >= 100_000 ? compact.format(value) : whole.format(value)
}

/** A figure with the digits that matter: 0.42, 8.1, 120. */
export function decimal(value: number): string {
  if (value === 0) return '0'
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return new Intl.NumberFormat('en', { maximumFractionDigits: digits }).format(value)
}

/** 0.756 as 76 %; what is small and not nothing does not become 0 %. */
export function percent(ratio: number): string {
  const value = ratio * 100
  if (value > 0 && value < 0.1) return '< 0.1 %'
  if (value > 99 && value < 100) return `${(Math.floor(value * 10) / 10).toFixed(1)} %`
  return `${value < 10 ? value.toFixed(1).replace(/\.0$/, '') : Math.round(value)} %`
}

/** 850 ms, 4.2 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. */
export function duration(ms: number): string {
  if (ms < 1) return ms <= 0 ? '0 ms' : '< 1 ms'
  if (ms < 1000) return `${Math.round(ms)} ms`
  if (ms < 9_950) return `${(ms / 1000).toFixed(1).replace(/\.0$/, '')} s`
  // Rounded before it is split, or else 119.6 s would be 1 min 60 s.
  const seconds = Math.round(ms / 1000)
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return pair(minutes, 'min', seconds % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return pair(hours, 'h', minutes % 60, 'min')
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small > 0 ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`
}

/** A billionth of a dollar is the gateway's unit of cost. */
export function money(nanousd: number): string {
  const dollars = nanousd / 1e9
  if (dollars === 0) return '$0.00'
  const size = Math.abs(dollars)
  if (size < 0.000001) return '< $0.000001'
  if (size < 0.01) return `$${dollars.toFixed(6).replace(/0{1,3}$/, '')}`
  if (size < 1) return `$${dollars.toFixed(4)}`
  return new Intl.NumberFormat('en', { style: 'currency', currency: 'USD' }).format(dollars)
}

const axisNumber = new Intl.NumberFormat('en', { notation: 'compact', maximumSignificantDigits: 3 })
const axisDollars = new Intl.NumberFormat('en', {
  style: 'currency',
  currency: 'USD',
  notation: 'compact',
  minimumFractionDigits: 0,
  maximumSignificantDigits: 3,
})

/** A figure at the axis of a chart, as short as can be: 950, 50K, 1.5M. */
export function axisCount(value: number): string {
  return axisNumber.format(value)
}

/** The same of a cost: $0.05, $12.4, $1.2K. */
export function axisMoney(nanousd: number): string {
  return axisDollars.format(nanousd / 1e9)
}

/** How a figure changed: `+12 %`, `−8 %`, `× 14`, `as before`. `null`: there is nothing to compare with. */
export function change(now: number, before: number): string | null {
  if (before <= 0) return null
  const ratio = now / before
  if (Math.abs(ratio - 1) < 0.005) return 'as before'
  if (ratio >= 10) return `× ${decimal(ratio)}`
  return `${ratio > 1 ? '+' : '−'}${percent(Math.abs(ratio - 1))}`
}

/** The window of a limit: `minute`, `day`, `30 s`. */
export function windowName(ms: number): string {
  const names: Record<number, string> = { 1000: 'second', 60_000: 'minute', 3_600_000: 'hour', 86_400_000: 'day' }
  return names[ms] ?? duration(ms)
}

/** `tokens per minute`. */
export function limitName(limit: { metric: string; window_ms: number }): string {
  return `${limit.metric.replaceAll('_', ' ')} per ${windowName(limit.window_ms)}`
}

/** Time of day on this machine: 14:05:09. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString('en-GB')
}

/** Day and time: 22 Nov 14:05. */
export function dayTime(ms: number): string {
  const date = new Date(ms)
  const day = date.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' })
  return `${day} ${date.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' })}`
}

/** Whole date: Sunday 22 November 2026 14:05:09, for titles. */
export function fullTime(ms: number): string {
  return new Date(ms).toLocaleString('en-GB', { dateStyle: 'full', timeStyle: 'medium' })
}

/** `1 request`, `2 requests`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${short(value)} ${value === 1 ? one : many}`
}

/** What an outcome means, in words. */
export function outcomeName(outcome: string): string {
  const names: Record<string, string> = {
    ok: 'ok',
    provider_error: 'provider error',
    refused: 'refused by paceline',
    upstream_failed: 'provider not reached',
    caller_gone: 'caller left',
  }
  return names[outcome] ?? outcome.replaceAll('_', ' ')
}

/** Words of the gateway as a sentence: it begins them small and ends them without a stop. */
export function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${text.endsWith('.') ? '' : '.'}`
}
