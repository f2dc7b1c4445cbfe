// The place in the queue, as the gateway tells it in comments of an answer that has not begun.

export interface Place {
  /** Expected place in the order of service, from 1. */
  position: number
  /** When the request is expected to start, on this machine's clock; null: that cannot be known. */
  startsAtMs: number | null
  /** What holds it back, as in `tokens per minute`. */
  limitedBy: string
  /** When this was told, on this machine's clock. */
  toldAtMs: number
}

/** Reads `paceline position=3 eta_ms=1250 limited_by="tokens per minute"`; null for any other comment. */
export function placeOf(comment: string, nowMs: number): Place | null {
  const found = /^paceline position=(\d+)(?: eta_ms=(\d+))? limited_by="([^"]*)"/.exec(comment)
  if (!found) return null
  const [, position, eta, limitedBy] = found
  return {
    position: Number(position),
    startsAtMs: eta === undefined ? null : nowMs + Number(eta),
    limitedBy: limitedBy ?? '',
    toldAtMs: nowMs,
  }
}

/** What it waits for, for somebody who has not read about limits; a limit's own name is plain enough. */
export function waitsFor(limitedBy: string): string {
  const names: Record<string, string> = {
    concurrency: 'a request under way to end',
    'launch spacing': 'the pause between two requests',
    'cool-down': 'the end of a pause that the provider asked for',
    'slow start': 'the careful start after such a pause',
    stabilisation: 'the pace to settle after a refusal',
    'growth of traffic': 'the provider, which lets traffic grow slowly',
    'limits not known yet': 'the first answers, which tell the limits',
    'others go first': 'others, who go first',
  }
  return names[limitedBy] ?? limitedBy
}
