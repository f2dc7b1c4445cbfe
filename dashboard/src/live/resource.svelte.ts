// A question to the gateway whose answer is shown: what is known, whether it is being asked, and what
// went wrong. The last good answer stays on the page while a newer one is awaited or fails.
import { ApiError } from '../api/client'

export class Resource<T> {
  data = $state.raw<T | null>(null)
  error = $state.raw<ApiError | null>(null)
  loading = $state(false)
  /** When the answer came, on this machine's clock. */
  loadedAtMs = $state(0)

  private current: AbortController | null = null

  constructor(private readonly ask: (signal: AbortSignal) => Promise<T>) {}

  /** Asks anew; an older question that is still open is given up. */
  async load(): Promise<void> {
    this.current?.abort()
    const current = new AbortController()
    this.current = current
    this.loading = true
    try {
      const data = await this.ask(current.signal)
      if (current.signal.aborted) return
      this.data = data
      this.error = null
      this.loadedAtMs = Date.now()
    } catch (error) {
      if (current.signal.aborted) return
      this.error = error instanceof ApiError ? error : new ApiError(0, 'unexpected', String(error))
    } finally {
      if (this.current === current) this.loading = false
    }
  }

  /** Asks now and then again and again while the page is looked at; returns what ends it. */
  poll(everyMs: number): () => void {
    void this.load()
    const timer = setInterval(() => {
      if (!document.hidden && !this.loading) void this.load()
    }, everyMs)
    return () => {
      clearInterval(timer)
      this.current?.abort()
    }
  }
}
