// Whether somebody is signed in, and what the gateway says of itself at the start.
import { ApiError, get, post, remove, whenSignedOut } from './api/client'
import type { DashboardSession } from './api/types'

type State = 'asking' | 'in' | 'out' | 'unreachable'

class Session {
  state = $state<State>('asking')
  /** The gateway, as it told at sign-in. */
  gateway = $state.raw<DashboardSession | null>(null)
  /** Why one is signed out, when that was not one's own doing. */
  notice = $state('')
  private readonly leaving: (() => void)[] = []

  constructor() {
    whenSignedOut(() => {
      if (this.state === 'in') this.notice = 'The session has ended: the gateway was started anew, or it was too long ago.'
      this.state = 'out'
    })
  }

  /** Where programs send their calls, as OpenAI's libraries want it. */
  get baseUrl(): string {
    return `http://${this.gateway?.listen ?? location.host}/v1`
  }

  /** Takes a token out of the address, if one was given there, and finds out who is signed in. */
  async begin(): Promise<void> {
    const given = new URLSearchParams(location.hash.slice(1)).get('token')
    if (given !== null) {
      // Gone from the address and from the history before anything else happens.
      history.replaceState(null, '', location.pathname + location.search)
      if ((await this.signIn(given)) === '') return
    }
    await this.ask()
  }

  /** Signs in; returns what is wrong, or nothing. */
  async signIn(token: string): Promise<string> {
    try {
      await post('/dashboard/session', { token: token.trim() })
      this.notice = ''
      await this.ask()
      return ''
    } catch (error) {
      return error instanceof ApiError ? error.message : String(error)
    }
  }

  /** What is to be forgotten when somebody signs out by hand. */
  onSignOut(forget: () => void): void {
    this.leaving.push(forget)
  }

  async signOut(): Promise<void> {
    this.leaving.forEach((forget) => forget())
    try {
      await remove('/dashboard/session')
      this.notice = 'Signed out.'
    } catch (error) {
      const ended = error instanceof ApiError && error.isSignedOut
      this.notice = ended ? 'Signed out.' : 'The gateway did not answer, so the session goes on there: sign out again once it does.'
    }
    this.state = 'out'
  }

  async ask(): Promise<void> {
    try {
      this.gateway = await get<DashboardSession>('/dashboard/session')
      this.state = 'in'
    } catch (error) {
      this.state = error instanceof ApiError && error.isSignedOut ? 'out' : 'unreachable'
    }
  }
}

export const session = new Session()
