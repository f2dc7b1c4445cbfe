// Figures over time as the gateway tells them, made whole: it leaves out stretches without calls, and
// a chart has to show those too.

import { counted } from './format'
import { offsetMinutes, offsetName } from './view'

const LENGTHS_MS: Record<string, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 }

/** The most stretches that are filled in; beyond that only those with calls are shown. */
const FILLED_MAX = 3_000

interface Answer {
  bucket: string
  from_ms: number
  until_ms: number
  utc_offset_minutes: number
  series: { start_ms: number }[]
}

/** Where each stretch of an answer starts, also those without calls, and where the last one ends. */
export function stretchesOf(answer: Answer): { starts: number[]; endMs: number } {
  const lengthMs = LENGTHS_MS[answer.bucket] ?? LENGTHS_MS.hour!
  const offsetMs = answer.utc_offset_minutes * 60_000
  const first = Math.floor((answer.from_ms + offsetMs) / lengthMs) * lengthMs - offsetMs
  const starts = new Set(answer.series.map((point) => point.start_ms))
  if ((answer.until_ms - first) / lengthMs <= FILLED_MAX) {
    for (let ms = first; ms < answer.until_ms; ms += lengthMs) starts.add(ms)
  }
  const sorted = [...starts].sort((a, b) => a - b)
  return { starts: sorted, endMs: (sorted.at(-1) ?? first) + lengthMs }
}

/** One figure of each stretch; `otherwise` where there were no calls. */
export function along<P extends { start_ms: number }, O>(
  starts: number[],
  points: P[],
  figure: (point: P) => number | O,
  otherwise: O,
): (number | O)[] {
  const byStart = new Map(points.map((point) => [point.start_ms, point]))
  return starts.map((start) => {
    const point = byStart.get(start)
    return point ? figure(point) : otherwise
  })
}

/** By what the figures over time are cut, and what is to be known of it. `calls` are all of the answer. */
export function stretchName(answer: Answer, calls: number, callsInSeries: number, isByWeek = false): string {
  const notes = [`by ${isByWeek ? 'week' : answer.bucket}`]
  if (answer.bucket === 'day' && answer.utc_offset_minutes !== offsetMinutes()) notes.push(`days of UTC${offsetName(answer.utc_offset_minutes)}`)
  if (callsInSeries < calls) notes.push(`without ${counted(calls - callsInSeries, 'call')} too long ago to tell when`)
  return notes.join(', ')
}

const DAY_MS = 86_400_000

/** From so many days on, figures by day are told by week: more bars than that are hard to read. */
const DAYS_OF_WEEKS_MIN = 56

/** Stretches that are weeks, and how figures of the days in them are added up. */
export interface Weeks {
  starts: number[]
  endMs: number
  sum: (values: (number | null)[]) => number[]
}

/** The weeks, from Monday on, of so many days that weeks are easier to read; `null`: let them be. */
export function weeksOf(answer: Answer, starts: number[]): Weeks | null {
  if (answer.bucket !== 'day' || starts.length < DAYS_OF_WEEKS_MIN) return null
  const offsetMs = answer.utc_offset_minutes * 60_000
  // The first day of 1970 was a Thursday.
  const mondayOf = (ms: number): number => {
    const day = Math.floor((ms + offsetMs) / DAY_MS)
    return (Math.floor((day + 3) / 7) * 7 - 3) * DAY_MS - offsetMs
  }
  const weeks = [...new Set(starts.map(mondayOf))]
  const index = new Map(weeks.map((week, i) => [week, i]))
  const sum = (values: (number | null)[]): number[] => {
    const sums = weeks.map(() => 0)
    values.forEach((value, i) => {
      const week = index.get(mondayOf(starts[i] ?? 0)) ?? 0
      sums[week] = (sums[week] ?? 0) + (value ?? 0)
    })
    return sums
  }
  return { starts: weeks, endMs: (weeks.at(-1) ?? 0) + 7 * DAY_MS, sum }
}
