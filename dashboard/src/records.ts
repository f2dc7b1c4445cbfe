// What records of calls say beyond their fields.
import type { CallRecord } from './api/types'

/** What a call cost in all, with a second attempt; `null` where a price is not known. */
export function costOf(record: Pick<CallRecord, 'cost_nanousd' | 'hedged' | 'hedge_cost_nanousd'>): number | null {
  if (record.hedged === null || record.cost_nanousd === null) return record.cost_nanousd
  return record.hedge_cost_nanousd === null ? null : record.cost_nanousd + record.hedge_cost_nanousd
}
